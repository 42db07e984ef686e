//! Under construction.
/// Which.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum GpuChoice {
    #[default]
    Auto,
    None,
}
impl std::str::FromStr for GpuChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "auto" => Self::Auto,
            "none" => Self::None,
            _ => return Err("?".into()),
        })
    }
}
