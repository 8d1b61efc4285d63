//! Tickets: they open the event stream of one run within a minute, for browsers, whose `EventSource` cannot send headers.
//!
//! A ticket is part of a URL, and URLs end up in histories and logs. Therefore it is limited to one run and expires soon. It is signed and not
//! stored. It refers to the token or key it was created with, and its stream lasts only while that is valid.

use serde::{Deserialize, Serialize};

use super::jwt::{BadToken, ISSUER, Timed, Tokens, integer, seconds};
use super::principal::{Credential, Principal, TokenFacts};
use super::{Auth, AuthError, ClientOrigin};
use crate::types::{KeyId, RunId, Timestamp, TokenId, UserId};

/// Lifetime of a ticket, in seconds.
pub const TICKET_SECS: i64 = 60;

/// Prefix of tickets, which distinguishes them from tokens.
const PREFIX: &str = "ort_";

const AUDIENCE: &str = "openrunner-stream";

/// The claims of a ticket.
#[derive(Debug, Serialize, Deserialize)]
struct TicketClaims {
    /// Expiry, in seconds since 1970.
    exp: i64,
    /// Creation time, in seconds since 1970.
    iat: i64,
    /// When it becomes valid, in seconds since 1970; absent in tickets of this server.
    #[serde(default, deserialize_with = "integer", skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    /// The user.
    sub: UserId,
    /// Audience: streams.
    aud: String,
    /// Issuer: this program.
    iss: String,
    /// The run whose stream it opens.
    run: RunId,
    /// The credential it was created with.
    by: IssuedWith,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum IssuedWith {
    Token { id: TokenId, expires_at: i64, generation: i64, default_password: bool },
    Key(KeyId),
}

impl Timed for TicketClaims {
    const LIFETIME_SECS: i64 = TICKET_SECS;

    fn times(&self) -> (i64, i64) {
        (self.iat, self.exp)
    }

    fn not_before(&self) -> Option<i64> {
        self.nbf
    }
}

/// A ticket for the stream of `run`. `None` if signing fails, which no input causes.
fn issue(tokens: &Tokens, principal: &Principal, run: RunId, now: Timestamp) -> Option<String> {
    let by = match &principal.credential {
        Credential::Token(token) => IssuedWith::Token {
            id: token.id,
            expires_at: token.expires_at.as_millis(),
            generation: token.generation,
            default_password: token.default_password,
        },
        Credential::Key { id, .. } => IssuedWith::Key(*id),
    };
    let iat = seconds(now);
    let claims = TicketClaims {
        exp: iat.saturating_add(TICKET_SECS),
        iat,
        nbf: None,
        sub: principal.caller.user.id,
        aud: AUDIENCE.to_owned(),
        iss: ISSUER.to_owned(),
        run,
        by,
    };
    tokens.sign(&claims).map(|signed| format!("{PREFIX}{signed}"))
}

impl Auth {
    /// A ticket with which `principal` can open the stream of `run` within [`TICKET_SECS`]. Callers check access to the run before, and again when
    /// the stream is opened. `None` if signing fails, which no input causes.
    pub fn issue_ticket(&self, principal: &Principal, run: RunId) -> Option<String> {
        issue(&self.tokens, principal, run, self.clock.now())
    }

    /// Authenticates a reader of the stream of `run` by the `access_token` of the query: a ticket for this run, or a token. API keys are rejected.
    /// Without a run, no ticket matches.
    ///
    /// # Errors
    /// [`AuthError`], by cause.
    pub async fn authenticate_stream(&self, presented: &str, run: Option<RunId>, origin: ClientOrigin) -> Result<Principal, AuthError> {
        if super::key_format::is_key(presented) {
            return Err(AuthError::KeyInQuery);
        }
        let Some(signed) = presented.strip_prefix(PREFIX) else { return self.authenticate(presented, origin).await };
        let claims: TicketClaims = self.tokens.verify_for(signed, AUDIENCE, self.clock.now()).map_err(|bad| match bad {
            BadToken::Expired => AuthError::Expired,
            BadToken::Invalid => AuthError::Invalid,
        })?;
        if Some(claims.run) != run {
            return Err(AuthError::Invalid);
        }
        let principal = match claims.by {
            IssuedWith::Token { id, expires_at, generation, default_password } => {
                let token = TokenFacts { id, expires_at: Timestamp::from_millis(expires_at), generation, default_password };
                self.principal_by_token(claims.sub, token).await?
            }
            IssuedWith::Key(id) => self.principal_by_key_id(id).await?,
        };
        principal.require_allowed(origin)
    }
}

#[cfg(test)]
mod tests {
    //! Rules: I2, I5.

    use std::sync::atomic::Ordering;

    use super::*;
    use crate::auth::tests::{LOCAL, REMOTE, fresh};

    #[tokio::test]
    async fn a_ticket_opens_one_stream_for_a_minute_and_nothing_else() {
        let (auth, clock, _directory) = fresh().await;
        let token = auth.login("user", "user", LOCAL).await.unwrap().token;
        let principal = auth.authenticate(&token, LOCAL).await.unwrap();
        let run = RunId::new();
        let ticket = auth.issue_ticket(&principal, run).unwrap();
        assert_eq!(auth.authenticate_stream(&ticket, Some(run), LOCAL).await.unwrap(), principal, "the stream lasts as long as the token");
        assert!(matches!(auth.authenticate_stream(&ticket, Some(RunId::new()), LOCAL).await, Err(AuthError::Invalid)), "another run");
        assert!(matches!(auth.authenticate(&ticket, LOCAL).await, Err(AuthError::Invalid)), "a ticket is not a token");
        assert!(matches!(auth.authenticate_stream(&ticket, None, LOCAL).await, Err(AuthError::Invalid)), "no run");
        let signed = ticket.strip_prefix(PREFIX).unwrap();
        assert!(matches!(auth.authenticate(signed, LOCAL).await, Err(AuthError::Invalid)), "without the prefix");
        let disguised = format!("{PREFIX}{token}");
        assert!(matches!(auth.authenticate_stream(&disguised, Some(run), LOCAL).await, Err(AuthError::Invalid)), "a token is not a ticket");
        clock.0.fetch_add(66_000, Ordering::Relaxed);
        assert!(matches!(auth.authenticate_stream(&ticket, Some(run), LOCAL).await, Err(AuthError::Expired)));
        assert!(auth.authenticate_stream(&token, Some(run), LOCAL).await.is_ok());
    }

    #[tokio::test]
    async fn a_ticket_is_as_restricted_as_the_token_it_was_created_with() {
        let (auth, _clock, _directory) = fresh().await;
        let token = auth.login("user", "user", LOCAL).await.unwrap().token;
        let principal = auth.authenticate(&token, LOCAL).await.unwrap();
        let run = RunId::new();
        let ticket = auth.issue_ticket(&principal, run).unwrap();
        let refused = auth.authenticate_stream(&ticket, Some(run), REMOTE).await;
        assert!(matches!(refused, Err(AuthError::DefaultPasswordNotLocal(_))), "{refused:?}");
        auth.logout(&principal, None).await.unwrap();
        assert!(
            matches!(auth.authenticate_stream(&ticket, Some(run), LOCAL).await, Err(AuthError::Invalid)),
            "it is revoked with its token"
        );
    }
}
