//! What is not counted here, but asked of others at each scrape.

use std::fmt;
use std::sync::{Mutex, PoisonError};

type Ask<T> = Box<dyn Fn() -> T + Send + Sync>;

/// Who knows; nobody at first.
pub(super) struct Asked<T>(Mutex<Option<Ask<T>>>);

impl<T: Default> Asked<T> {
    /// Has `ask` asked from now on.
    pub(super) fn is_of(&self, ask: impl Fn() -> T + Send + Sync + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(ask));
    }

    pub(super) fn ask(&self) -> T {
        let ask = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ask.as_ref().map_or_else(T::default, |ask| ask())
    }
}

impl<T> Default for Asked<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> fmt::Debug for Asked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}
