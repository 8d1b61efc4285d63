//! What every store must do for searches.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::fixtures::{contract, create, done, record};
use crate::run::store::{Chunk, OwnerFilter, RunChange, RunFilter, RunRecord, RunStore, SearchText};
use crate::types::{RunDone, RunId, Seq, Timestamp, UserRef};

const LONG: Duration = Duration::from_mins(10);

fn prompt(text: &str) -> RunRecord {
    let mut run = record("ann", "demo", None);
    run.spec.prompt = text.to_owned();
    run
}

async fn add(store: &dyn RunStore, run: RunRecord) -> RunId {
    create(store, &run).await.run
}

/// Ends a run with an answer.
async fn end(store: &dyn RunStore, run: RunId, answer: &str) {
    let lease = store.run(run).await.unwrap().unwrap().lease.unwrap();
    let done = RunDone { result: Some(answer.to_owned()), ..done() };
    let seq = Seq::new(2).unwrap();
    let end = vec![Chunk { first: seq, last: seq, body: bytes::Bytes::from_static(b"{}\n") }];
    let change = RunChange { done: Some((done, Timestamp::from_millis(5))), ..RunChange::default() };
    store.append(&lease, end, change).await.unwrap();
}

async fn found(store: &dyn RunStore, text: &str) -> Vec<RunId> {
    let text = SearchText::parse(text).unwrap();
    store.search(text, RunFilter::default(), 100, LONG).await.unwrap().into_iter().map(|run| run.id).collect()
}

async fn all_words_must_occur_anywhere_and_quoted_text_as_a_whole(store: &dyn RunStore) {
    let mut run = prompt("Fix the redeploy script\nof the Login page");
    run.spec.labels = BTreeMap::from([("Team".to_owned(), "Web".to_owned())]);
    run.spec.working_dir = PathBuf::from("/home/ann/shop-frontend");
    let run = add(store, run).await;
    let other = add(store, prompt("login")).await;
    for text in
        ["fix login", "LOGIN fix", "deploy", "redep", "team=web", "shop-front", "\"script of the login\"", "of fix", "e", "xyz page\""]
    {
        let expected = if text.contains("xyz") { vec![] } else { vec![run] };
        assert_eq!(found(store, text).await, expected, "{text}");
    }
    assert_eq!(found(store, "login").await, [other, run]);
    for text in ["fix logout", "\"fix login\"", "page /home", "\"page /home\"", "webteam"] {
        let expected = if text == "page /home" { vec![run] } else { vec![] };
        assert_eq!(found(store, text).await, expected, "{text}");
    }
}

async fn the_answer_is_found_after_the_end_and_nothing_after_a_deletion(store: &dyn RunStore) {
    let run = add(store, prompt("compute something")).await;
    assert_eq!(found(store, "forty-two").await, []);
    end(store, run, "It is Forty-Two.").await;
    for text in ["forty-two", "compute forty"] {
        assert_eq!(found(store, text).await, [run], "{text}");
    }
    store.begin_delete(run, None).await.unwrap();
    for text in ["forty-two", "compute", &run.to_string()] {
        assert_eq!(found(store, text).await, [], "{text}");
    }
}

async fn text_without_spaces_between_words_is_found_by_words_of_any_length(store: &dyn RunStore) {
    let run = add(store, prompt("修复登录页面的错误")).await;
    add(store, prompt("写一个测试")).await;
    for text in ["修复", "登录", "错误", "登录页面", "修复 错误", "误"] {
        assert_eq!(found(store, text).await, [run], "{text}");
    }
    assert_eq!(found(store, "修错").await, []);
    let run = add(store, prompt("ÄRGER im Москва")).await;
    for text in ["ärger", "МОСКВА", "är"] {
        assert_eq!(found(store, text).await, [run], "{text}");
    }
}

async fn ids_and_filters_restrict_a_search_and_pages_continue_it(store: &dyn RunStore) {
    let mut runs = Vec::new();
    for number in 0..7 {
        runs.push(
            add(store, RunRecord { owner: UserRef::named(["ann", "bob"][number % 2]), ..prompt(&format!("task number {number}")) }).await,
        );
    }
    runs.reverse();
    assert_eq!(found(store, &runs[3].to_string()).await, [runs[3]]);
    assert_eq!(found(store, &runs[3].to_string()["run_".len()..]).await, [runs[3]]);
    let of_bob = RunFilter { owner: Some(OwnerFilter::Id(UserRef::named("bob").id)), ..RunFilter::default() };
    let bobs = store.search(SearchText::parse("task").unwrap(), of_bob, 9, LONG).await.unwrap();
    assert_eq!(bobs.into_iter().map(|run| run.id).collect::<Vec<_>>(), [runs[1], runs[3], runs[5]]);
    // With terms in the index, with short terms, and with an id.
    for text in ["task number", "ta", &runs[0].to_string()[..6]] {
        let mut pages = Vec::new();
        while let Some(last) = page(store, text, pages.last().copied()).await.last().copied() {
            let before = pages.last().copied();
            pages.extend(page(store, text, before).await);
            assert_eq!(pages.last(), Some(&last));
        }
        assert_eq!(pages, runs, "{text}");
    }
    // The last run of a page is deleted before the next page is read.
    end(store, runs[1], "").await;
    store.begin_delete(runs[1], None).await.unwrap();
    assert_eq!(page(store, "task", Some(runs[1])).await, runs[2..4]);
}

/// The two runs that follow `before`.
async fn page(store: &dyn RunStore, text: &str, before: Option<RunId>) -> Vec<RunId> {
    let filter = RunFilter { before, ..RunFilter::default() };
    let page = store.search(SearchText::parse(text).unwrap(), filter, 2, LONG).await.unwrap();
    page.into_iter().map(|run| run.id).collect()
}

/// Text that is syntax somewhere: of patterns, of full-text queries, of SQL.
async fn no_text_is_taken_for_syntax(store: &dyn RunStore) {
    for text in ["100%_sure", "a\\b", "it's", "x*", "(y OR z)", "{text}: -q", "NUL\0inside", "\\_", "%", "_", "'; DROP TABLE runs; --"] {
        let run = add(store, prompt(text)).await;
        let spoken = text.replace('"', " ");
        assert_eq!(found(store, &format!("\"{spoken}\"")).await.first(), Some(&run), "{text:?}");
        assert_eq!(store.run(run).await.unwrap().unwrap().spec.prompt, text);
    }
    assert_eq!(found(store, "1__%").await, [], "a wildcard matched");
}

contract! {
    all_words_must_occur_anywhere_and_quoted_text_as_a_whole,
    the_answer_is_found_after_the_end_and_nothing_after_a_deletion,
    text_without_spaces_between_words_is_found_by_words_of_any_length,
    ids_and_filters_restrict_a_search_and_pages_continue_it,
    no_text_is_taken_for_syntax,
}
