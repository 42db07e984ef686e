//! Under construction.
/// How to show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LiveMode {
    #[default]
    Auto,
    Table,
    Log,
    Off,
}
impl std::str::FromStr for LiveMode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "auto" => Self::Auto,
            "table" => Self::Table,
            "log" => Self::Log,
            "off" => Self::Off,
            _ => return Err("is none of auto, table, log, off".into()),
        })
    }
}
