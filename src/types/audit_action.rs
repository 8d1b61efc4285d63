//! The actions recorded in the audit log.

use utoipa::ToSchema;

use super::string_enum;

string_enum! {
    /// An action that was performed or attempted.
    #[derive(ToSchema)]
    pub enum AuditAction {
        /// Logged in with username and password.
        Login = "login",
        /// Revoked the token in use.
        Logout = "logout",
        /// Changed the own password.
        Password = "password",
        /// Created a user.
        UserCreate = "user.create",
        /// Changed a user's role, password or budget.
        UserChange = "user.change",
        /// Deleted a user.
        UserDelete = "user.delete",
        /// Created an API key.
        KeyCreate = "key.create",
        /// Revoked an API key.
        KeyDelete = "key.delete",
        /// Stored a profile.
        ProfileSet = "profile.set",
        /// Deleted a profile.
        ProfileDelete = "profile.delete",
        /// Created a ticket for a run's event stream.
        Ticket = "ticket",
        /// Created a run.
        RunCreate = "run.create",
        /// Cancelled a run.
        RunCancel = "run.cancel",
        /// Deleted a run.
        RunDelete = "run.delete",
        /// Sent a message to a run.
        RunMessage = "run.message",
        /// Answered a permission request or question.
        RunAnswer = "run.answer",
        /// Had a failed delivery of a webhook attempted again.
        WebhookRetry = "webhook.retry",
        /// Wrote a file in the working directory of a run.
        RunWrite = "run.write",
        /// Reverted the working directory of a run.
        RunRevert = "run.revert",
        /// Committed the work of a session.
        SessionBranch = "session.branch",
        /// Removed the workspace of a session.
        WorkspaceRemove = "workspace.remove",
        /// Uploaded a file.
        FileUpload = "file.upload",
        /// Deleted an uploaded file.
        FileDelete = "file.delete",
    }
}
