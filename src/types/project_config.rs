//! Whether the agent's configuration in a working directory has an effect.

use utoipa::ToSchema;

use super::string_enum;

string_enum! {
    /// Whether the agent's configuration in the working directory has an effect.
    #[derive(Default, ToSchema)]
    pub enum ProjectConfig {
        /// No: nothing in the directory runs or reconfigures anything unless the agent asks for it. Instructions for the model are read.
        #[default]
        Ignore = "ignore",
        /// Yes: hooks, MCP servers, plugins and settings of the directory work as if its user had started the agent there.
        Trust = "trust",
    }
}
