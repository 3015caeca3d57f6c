//! The image and what examples/ hand to other people's tools, held by those tools.

mod dockerfile;
