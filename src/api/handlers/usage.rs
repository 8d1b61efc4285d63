//! Usage and budgets.

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::{ApiError, AppState, FaultCode, Query};
use super::pagination::{Page, page_size};
use crate::auth::Principal;
use crate::run::store::{OwnerFilter, UsageFilter, UsageGroup, UsageRecord, UsageSum};
use crate::run::{BudgetState, QuotaState};
use crate::types::{Day, Money, RunId, SessionId, UserName};

/// Totals.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageTotals)]
pub(in crate::api) struct TotalsView {
    /// Ended runs. A live run is not counted, but its usage is.
    runs: u64,
    /// Ended runs by status.
    by_status: RunCounts,
    /// Tokens that count towards a budget: `input_tokens`, `cache_write_tokens` and `output_tokens`.
    tokens: u64,
    /// Input tokens that were not read from a cache.
    input_tokens: u64,
    /// Output tokens, including thinking.
    output_tokens: u64,
    /// Input tokens read from the provider's cache.
    cache_read_tokens: u64,
    /// Tokens written to the provider's cache.
    cache_write_tokens: u64,
    /// Thinking tokens among `output_tokens`, if the agent reports them.
    reasoning_tokens: u64,
    /// US dollars as reported by agents; absent if none was reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<Money>,
    /// Whether part of the cost is computed from list prices.
    cost_is_estimate: bool,
    /// Ended runs that reported tokens but no cost; `cost_usd` does not include them.
    runs_without_cost: u64,
}

/// Ended runs by status.
#[derive(Serialize, ToSchema)]
struct RunCounts {
    /// Completed runs.
    completed: u64,
    /// Failed runs.
    failed: u64,
    /// Cancelled runs.
    cancelled: u64,
    /// Runs that exceeded a time limit.
    timed_out: u64,
    /// Interrupted runs.
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

/// The group of a usage item: exactly the field that `group_by` selects.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = UsageKey)]
struct KeyView {
    /// The day (UTC).
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
    /// The model reported by the agent, or the requested one; empty if neither is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// The session.
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

/// Usage of one group.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageItem)]
pub(in crate::api) struct ItemView {
    /// The group.
    #[serde(flatten)]
    key: KeyView,
    /// Its totals.
    #[serde(flatten)]
    totals: TotalsView,
}

impl ItemView {
    fn new(UsageRecord { key, sum }: UsageRecord, group: UsageGroup) -> Self {
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

/// A page of usage, and the totals of all pages.
#[derive(Serialize, ToSchema)]
#[schema(as = UsagePage)]
pub(in crate::api) struct UsageView {
    /// What `items` are grouped by.
    group_by: UsageGroup,
    #[serde(flatten)]
    #[schema(value_type = UsageItemPage)]
    page: UsageItemPage,
    /// Totals of all matching usage, not only this page.
    total: TotalsView,
    /// What the caller keeps and may keep; with `owner`, that user.
    quotas: QuotaState,
}

/// Grouping, filters and pagination.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct UsageQuery {
    /// What to group by. Default: `day`. Days, sessions and runs are listed newest first, everything else by name.
    #[param(inline)]
    group_by: Option<UsageGroup>,
    /// Only this day (UTC) and later ones.
    since: Option<Day>,
    /// Only this day (UTC) and earlier ones.
    until: Option<Day>,
    /// Filter by owner; admins only. Other users always see their own usage.
    owner: Option<UserName>,
    /// Filter by agent.
    agent_type: Option<String>,
    /// Filter by session.
    session_id: Option<SessionId>,
    /// Maximum number of items.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Cursor of the page: the `next_cursor` of the previous one.
    cursor: Option<String>,
}

/// Returns the caller's usage; for admins, that of all users.
///
/// Usage counts on the day on which the agent reported it, including that of live runs. It remains when a run is deleted.
#[utoipa::path(get, path = "/api/usage", operation_id = "list_usage", tag = "usage", params(UsageQuery),
    responses((status = 200, description = "A page of usage.", body = UsageView)))]
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    principal: Principal,
    Query(query): Query<UsageQuery>,
) -> Result<Answer<UsageView>, ApiError> {
    let UsageQuery { group_by, since, until, owner, agent_type, session_id, limit, cursor } = query;
    let (group_by, limit) = (group_by.unwrap_or_default(), page_size(limit)?);
    if since.zip(until).is_some_and(|(since, until)| since > until) {
        return Err(ApiError::invalid_field("until", FaultCode::OutOfRange, "must not be before since"));
    }
    let caller = &principal.caller;
    let found = match &owner {
        Some(name) => app.auth.user(name).await?.map(|user| user.reference()),
        None => None,
    };
    let kept_by = found.filter(|owner| caller.may_see(owner.id)).unwrap_or_else(|| caller.user.clone());
    let filter = UsageFilter { owner: owner.map(OwnerFilter::Name), agent_type, session: session_id, since, until };
    let records = app.runs.usage(caller, filter.clone(), group_by, cursor, limit + 1).await?;
    let total = app.runs.total_usage(caller, filter).await?.into();
    let page = Page::new(records, limit, |record| record.key.clone()).map(|record| ItemView::new(record, group_by));
    let quotas = app.runs.quotas(&kept_by).await?;
    Ok(Answer(UsageView { group_by, page, total, quotas }))
}

/// The user.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct BudgetQuery {
    /// User whose budget to return; admins only. Default: the caller.
    owner: Option<UserName>,
}

/// Returns today's budget and its usage.
#[utoipa::path(get, path = "/api/usage/budget", operation_id = "get_budget", tag = "usage", params(BudgetQuery),
    extensions(("x-error-codes" = json!(["not_found"]))),
    responses((status = 200, description = "The budget.", body = BudgetState)))]
pub(in crate::api) async fn budget(
    State(app): State<AppState>,
    principal: Principal,
    Query(query): Query<BudgetQuery>,
) -> Result<Answer<BudgetState>, ApiError> {
    let caller = principal.caller;
    let owner = match query.owner {
        None => caller.user,
        Some(name) => {
            let found = app.auth.user(&name).await?.filter(|user| caller.may_see(user.id));
            found.ok_or_else(|| ApiError::not_found(format!("user {name} not found")))?.reference()
        }
    };
    Ok(Answer(app.runs.budget(&owner).await?))
}
