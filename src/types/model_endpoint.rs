//! Where an agent reaches its model, and with which key.

use super::Secret;

/// Where an agent reaches its model, and with which key. At isolation level `sandbox` the address is that of the proxy and the key a
/// placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelEndpoint {
    /// Name of the provider, for agents that work with several.
    pub provider: String,
    /// Base URL, without a trailing slash.
    pub base_url: String,
    /// The key.
    pub key: Secret,
    /// How the key is sent.
    pub scheme: AuthScheme,
}

/// How a key is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthScheme {
    /// In the header `x-api-key`.
    ApiKey,
    /// In the header `Authorization`, as a bearer token.
    Bearer,
    /// In the header `x-goog-api-key`.
    GoogleApiKey,
    /// As [`AuthScheme::Bearer`]. It is the token of a subscription, which clients announce in other headers.
    OAuthToken,
}
