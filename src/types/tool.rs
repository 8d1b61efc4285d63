//! Kinds of tools.

use utoipa::ToSchema;

use super::string_enum;

string_enum! {
    /// Kind of tool, as defined by ACP.
    #[derive(ToSchema)]
    pub enum ToolKind {
        /// Reads files.
        Read = "read",
        /// Creates or changes files.
        Edit = "edit",
        /// Deletes files.
        Delete = "delete",
        /// Moves or renames files.
        Move = "move",
        /// Searches.
        Search = "search",
        /// Runs a command.
        Execute = "execute",
        /// Thinks or plans.
        Think = "think",
        /// Fetches data from the network.
        Fetch = "fetch",
        /// Any other kind.
        #[serde(other)]
        Other = "other",
    }
}
