//! Whether the processor has what this binary was compiled for.
//!
//! A build for newer processors, such as `-C target-cpu=x86-64-v3`, ends with SIGILL on an older one. The standard library's
//! `is_x86_feature_detected!` is of no help: what a build may use it takes for given. So the processor itself is asked.

use std::io::{self, Write};

/// An instruction set: its name in `target_feature`, whether this build may use it, and whether the processor has it.
struct Feature {
    name: &'static str,
    compiled_in: bool,
    here: bool,
}

/// Tells on standard error what this build may use and the processor lacks. False if that is anything.
///
/// Runs before everything else of ours, and does as little as it can: all of it may have been compiled for what isn't there.
pub(super) fn suffices() -> bool {
    let features = features();
    let mut lacking = features.iter().filter(|feature| is_lacking(feature)).map(|feature| feature.name);
    let Some(first) = lacking.next() else { return true };
    // If standard error is closed, nobody is left to be told.
    let _ = complain(&mut io::stderr(), first, lacking);
    false
}

fn is_lacking(feature: &Feature) -> bool {
    feature.compiled_in && !feature.here
}

/// Writes piece by piece, since formatting is more code than this may need.
fn complain(to: &mut impl Write, first: &str, others: impl Iterator<Item = &'static str>) -> io::Result<()> {
    to.write_all(b"alewife: this binary is built for newer processors; this one lacks ")?;
    to.write_all(first.as_bytes())?;
    for other in others {
        to.write_all(b", ")?;
        to.write_all(other.as_bytes())?;
    }
    to.write_all(b". Take a build for every x86-64: one without target-cpu (docs/OPERATIONS.md).\n")
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> [Feature; 0] {
    []
}

/// What x86-64-v2 to -v4 ask for, and what a build for the machine it was built on may use besides.
///
/// Whether the kernel lets AVX be used is read off OSXSAVE, the nearest that can be asked without a privilege of the
/// compiler: a kernel that was told to hide AVX alone (`clearcpuid=avx`) is not found out.
#[cfg(target_arch = "x86_64")]
fn features() -> [Feature; 27] {
    use raw_cpuid::CpuId;

    let cpuid = CpuId::new();
    let (basic, extended, amd) = (
        cpuid.get_feature_info(),
        cpuid.get_extended_feature_info(),
        cpuid.get_extended_processor_and_feature_identifiers(),
    );
    let basic = |has: fn(&raw_cpuid::FeatureInfo) -> bool| basic.as_ref().is_some_and(has);
    let extended = |has: fn(&raw_cpuid::ExtendedFeatures) -> bool| extended.as_ref().is_some_and(has);
    let saved = basic(|info| info.has_oxsave());
    macro_rules! feature {
        ($name:literal, $here:expr) => {
            Feature { name: $name, compiled_in: cfg!(target_feature = $name), here: $here }
        };
    }
    [
        feature!("adx", extended(|info| info.has_adx())),
        feature!("aes", basic(|info| info.has_aesni())),
        feature!("avx", saved && basic(|info| info.has_avx())),
        feature!("avx2", saved && extended(|info| info.has_avx2())),
        feature!("avx512bw", saved && extended(|info| info.has_avx512bw())),
        feature!("avx512cd", saved && extended(|info| info.has_avx512cd())),
        feature!("avx512dq", saved && extended(|info| info.has_avx512dq())),
        feature!("avx512f", saved && extended(|info| info.has_avx512f())),
        feature!("avx512vl", saved && extended(|info| info.has_avx512vl())),
        feature!("bmi1", extended(|info| info.has_bmi1())),
        feature!("bmi2", extended(|info| info.has_bmi2())),
        feature!("cmpxchg16b", basic(|info| info.has_cmpxchg16b())),
        feature!("f16c", saved && basic(|info| info.has_f16c())),
        feature!("fma", saved && basic(|info| info.has_fma())),
        feature!("gfni", extended(|info| info.has_gfni())),
        feature!("lzcnt", amd.as_ref().is_some_and(|info| info.has_lzcnt())),
        feature!("movbe", basic(|info| info.has_movbe())),
        feature!("pclmulqdq", basic(|info| info.has_pclmulqdq())),
        feature!("popcnt", basic(|info| info.has_popcnt())),
        feature!("sha", extended(|info| info.has_sha())),
        feature!("sse3", basic(|info| info.has_sse3())),
        feature!("sse4.1", basic(|info| info.has_sse41())),
        feature!("sse4.2", basic(|info| info.has_sse42())),
        feature!("ssse3", basic(|info| info.has_ssse3())),
        feature!("vaes", saved && extended(|info| info.has_vaes())),
        feature!("vpclmulqdq", saved && extended(|info| info.has_vpclmulqdq())),
        feature!("xsave", basic(|info| info.has_xsave())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(compiled_in: bool, here: bool) -> Feature {
        Feature { name: "avx2", compiled_in, here }
    }

    #[test]
    fn only_what_is_compiled_in_and_not_here_is_lacking() {
        assert!(is_lacking(&feature(true, false)));
        for fine in [feature(true, true), feature(false, true), feature(false, false)] {
            assert!(!is_lacking(&fine));
        }
    }

    #[test]
    fn complaint_names_all_that_is_lacking_in_one_line() {
        let mut said = Vec::new();
        complain(&mut said, "avx2", ["bmi2", "fma"].into_iter()).unwrap();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("this one lacks avx2, bmi2, fma. "), "{said}");
        assert_eq!(said.matches('\n').count(), 1);
    }

    /// The standard library asks the kernel as well, and is right for whatever is not compiled in.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn what_the_processor_says_is_what_the_standard_library_finds() {
        let here = |name| features().into_iter().find(|feature| feature.name == name).unwrap().here;
        assert_eq!(here("aes"), std::arch::is_x86_feature_detected!("aes"));
        assert_eq!(here("avx"), std::arch::is_x86_feature_detected!("avx"));
        assert_eq!(here("avx2"), std::arch::is_x86_feature_detected!("avx2"));
        assert_eq!(here("bmi2"), std::arch::is_x86_feature_detected!("bmi2"));
        assert_eq!(here("lzcnt"), std::arch::is_x86_feature_detected!("lzcnt"));
        assert_eq!(here("movbe"), std::arch::is_x86_feature_detected!("movbe"));
        assert_eq!(here("vaes"), std::arch::is_x86_feature_detected!("vaes"));
    }

    #[test]
    fn machine_of_the_tests_suffices() {
        assert!(suffices());
    }
}
