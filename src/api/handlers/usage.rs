//! What was used, and what may be used.

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::{ApiError, AppState, FaultCode, Query};
use super::pagination::{Page, page_size};
use crate::auth::Principal;
use crate::run::BudgetState;
use crate::run::store::{UsageFilter, UsageGroup, UsageRecord, UsageSum};
use crate::types::{Day, Money, RunId, SessionId, UserName};

/// How much was used.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageTotals)]
pub(in crate::api) struct TotalsView {
    /// Runs that ended. One that goes on is not counted yet, but what it has used is.
    runs: u64,
    /// Of these, how many ended so.
    by_status: RunCounts,
    /// Tokens that count against a budget: `input_tokens`, `cache_write_tokens` and `output_tokens`.
    tokens: u64,
    /// Tokens read by the model that no cache held.
    input_tokens: u64,
    /// Tokens written by the model, thinking included.
    output_tokens: u64,
    /// Tokens read from the provider's cache.
    cache_read_tokens: u64,
    /// Tokens written to the provider's cache.
    cache_write_tokens: u64,
    /// Those of `output_tokens` that were thinking, where the agent tells them apart.
    reasoning_tokens: u64,
    /// US dollars, as far as agents told; absent if none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<Money>,
    /// Whether some of that is computed from list prices, not billed.
    cost_is_estimate: bool,
    /// Runs that ended and told tokens but no cost, which `cost_usd` therefore lacks.
    runs_without_cost: u64,
}

/// Ended runs by how they ended.
#[derive(Serialize, ToSchema)]
struct RunCounts {
    /// Ended well.
    completed: u64,
    /// Ended badly.
    failed: u64,
    /// Were cancelled.
    cancelled: u64,
    /// Ran out of time.
    timed_out: u64,
    /// Their server went away.
    interrupted: u64,
}

impl From<UsageSum> for TotalsView {
    fn from(sum: UsageSum) -> Self {
        let UsageSum { completed, failed, cancelled, timed_out, interrupted, .. } = sum;
        Self {
            runs: [completed, failed, cancelled, timed_out, interrupted].into_iter().fold(0, u64::saturating_add),
            by_status: RunCounts { completed, failed, cancelled, timed_out, interrupted },
            tokens: sum.input_tokens.saturating_add(sum.cache_write_tokens).saturating_add(sum.output_tokens),
            input_tokens: sum.input_tokens,
            output_tokens: sum.output_tokens,
            cache_read_tokens: sum.cache_read_tokens,
            cache_write_tokens: sum.cache_write_tokens,
            reasoning_tokens: sum.reasoning_tokens,
            cost_usd: sum.cost,
            cost_is_estimate: sum.is_estimate,
            runs_without_cost: sum.unpriced,
        }
    }
}

/// What one day, user, agent, model, conversation or run has used: it has the one of these fields that was grouped by.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = UsageKey)]
struct KeyView {
    /// The day, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Day>)]
    day: Option<String>,
    /// The owner of the runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<UserName>)]
    owner: Option<String>,
    /// The agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_type: Option<String>,
    /// The model that the agent named, or that was asked for; empty where neither is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// The conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SessionId>)]
    session_id: Option<String>,
    /// The run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RunId>)]
    run_id: Option<String>,
}

/// A page of usage.
type UsageItemPage = Page<ItemView>;

/// What one of a group has used.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageItem)]
pub(in crate::api) struct ItemView {
    /// Which one.
    #[serde(flatten)]
    key: KeyView,
    /// How much.
    #[serde(flatten)]
    totals: TotalsView,
}

impl ItemView {
    fn of(UsageRecord { key, sum }: UsageRecord, group: UsageGroup) -> Self {
        let (key, none) = (Some(key), KeyView::default());
        let key = match group {
            UsageGroup::Day => KeyView { day: key, ..none },
            UsageGroup::Owner => KeyView { owner: key, ..none },
            UsageGroup::AgentType => KeyView { agent_type: key, ..none },
            UsageGroup::Model => KeyView { model: key, ..none },
            UsageGroup::Session => KeyView { session_id: key, ..none },
            UsageGroup::Run => KeyView { run_id: key, ..none },
        };
        Self { key, totals: sum.into() }
    }
}

/// A page of what was used, and the sum of all pages.
#[derive(Serialize, ToSchema)]
#[schema(as = UsagePage)]
pub(in crate::api) struct UsageView {
    /// By what `items` are added up.
    group_by: UsageGroup,
    #[serde(flatten)]
    #[schema(value_type = UsageItemPage)]
    page: UsageItemPage,
    /// The sum of all that was asked for, on whatever page.
    total: TotalsView,
}

/// Which usage is wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct UsageQuery {
    /// By what it is added up.
    #[serde(default)]
    #[param(inline, required = false, default = "day")]
    group_by: UsageGroup,
    /// Only that of this day (UTC) or later.
    since: Option<Day>,
    /// Only that of this day (UTC) or earlier.
    until: Option<Day>,
    /// Only this user's; for admins, others always get their own.
    owner: Option<UserName>,
    /// Only that of this agent.
    agent_type: Option<String>,
    /// Only that of this conversation.
    session_id: Option<SessionId>,
    /// Most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Where the page begins: the `next_cursor` of the one before.
    cursor: Option<String>,
}

/// Tells what was used: one's own, an admin everyone's.
///
/// It is counted on the day on which the agent told it, while the run goes on, too; and it stays when the run is deleted.
#[utoipa::path(get, path = "/api/usage", operation_id = "list_usage", tag = "usage", params(UsageQuery),
    responses((status = 200, description = "A page of it.", body = UsageView)))]
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    principal: Principal,
    Query(query): Query<UsageQuery>,
) -> Result<Answer<UsageView>, ApiError> {
    let UsageQuery { group_by, since, until, owner, agent_type, session_id, limit, cursor } = query;
    let limit = page_size(limit)?;
    if since.zip(until).is_some_and(|(since, until)| since > until) {
        return Err(ApiError::invalid_field("until", FaultCode::OutOfRange, "must not be before since"));
    }
    let filter = UsageFilter { owner, agent_type, session: session_id, since, until };
    let caller = &principal.caller;
    let records = app.runs.usage(caller, filter.clone(), group_by, cursor, limit + 1).await?;
    let total = app.runs.total_usage(caller, filter).await?.into();
    let page = Page::new(records, limit, |record| record.key.clone()).map(|record| ItemView::of(record, group_by));
    Ok(Answer(UsageView { group_by, page, total }))
}

/// Whose budget is wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct BudgetQuery {
    /// This user's instead of one's own; for admins.
    owner: Option<UserName>,
}

/// Tells what may be used today, and what was.
#[utoipa::path(get, path = "/api/usage/budget", operation_id = "get_budget", tag = "usage", params(BudgetQuery),
    extensions(("x-error-codes" = json!(["not_found"]))),
    responses((status = 200, description = "The budget.", body = BudgetState)))]
pub(in crate::api) async fn budget(
    State(app): State<AppState>,
    principal: Principal,
    Query(query): Query<BudgetQuery>,
) -> Result<Answer<BudgetState>, ApiError> {
    let caller = principal.caller;
    let owner = query.owner.unwrap_or_else(|| caller.user.clone());
    if !caller.may_see(&owner) || app.auth.user(&owner).await?.is_none() {
        return Err(ApiError::not_found(format!("there is no user {owner}")));
    }
    Ok(Answer(app.runs.budget(&owner).await?))
}
