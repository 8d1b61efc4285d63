//! `openrunner answer`

use clap::Args;
use serde_json::{Value, json};

use super::requests::open;
use crate::cli::client::resolve_run;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::format::field;
use crate::cli::watch::parse_answer;
use crate::types::{Decision, Question};

/// Arguments of `answer`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("reply").required(true).args(["allow", "always", "deny", "option", "answers"])))]
pub(in crate::cli) struct AnswerArgs {
    /// Run: an id, the start of one, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// Request, as `requests ls` shows it (default: the only open one)
    #[arg(value_name = "REQUEST")]
    request: Option<String>,
    /// Allow the tool this time
    #[arg(long)]
    allow: bool,
    /// Allow the tool for the rest of the session
    #[arg(long)]
    always: bool,
    /// Deny the tool
    #[arg(long)]
    deny: bool,
    /// Choose one of the agent's own options, by its id
    #[arg(long, value_name = "ID")]
    option: Option<String>,
    /// With a denial, tell the agent why, or what to do instead
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["allow", "always", "option", "answers"])]
    message: Option<String>,
    /// Answer to a question: text, the number of an option, or numbers such as 1,3; repeat it for each question
    #[arg(long = "answer", value_name = "TEXT")]
    answers: Vec<String>,
}

/// Answers an open request.
pub(in crate::cli) async fn answer(context: &Context, args: AnswerArgs) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    let run = resolve_run(&client, &args.run).await?;
    let requests = open(&client, &run).await?;
    let request = select(&requests, args.request.as_deref(), &run)?;
    let id = field(request, "id");
    let body = body(&args, request)?;
    let accepted = client.post(&format!("/api/runs/{run}/requests/{id}"), Some(&body)).await?;
    context.output.confirm(&format!("Answered request {id} of {run}"), &accepted)?;
    Ok(Exit::Success)
}

/// The request of that id, or the only one.
fn select<'a>(requests: &'a [Value], id: Option<&str>, run: &str) -> anyhow::Result<&'a Value> {
    let listed = || requests.iter().map(|request| field(request, "id")).collect::<Vec<_>>().join(", ");
    match (id, requests) {
        (_, []) => Err(CliError::not_found(format!("{run} has no open requests")).into()),
        (Some(id), _) => requests
            .iter()
            .find(|request| request["id"] == id)
            .ok_or_else(|| CliError::not_found(format!("{run} has no open request `{id}` (open: {})", listed())).into()),
        (None, [only]) => Ok(only),
        (None, _) => Err(CliError::usage(format!("REQUEST is missing: {run} has several open requests: {}", listed())).into()),
    }
}

/// The body for the API.
fn body(args: &AnswerArgs, request: &Value) -> anyhow::Result<Value> {
    let is_question = request["type"] == "question";
    if args.answers.is_empty() {
        if is_question {
            return Err(CliError::usage("the request is a question").hint("answer it with --answer TEXT").into());
        }
        if let Some(option) = &args.option {
            return Ok(json!({ "option_id": option }));
        }
        let decision = match (args.allow, args.always) {
            (true, _) => Decision::AllowOnce,
            (false, true) => Decision::AllowAlways,
            (false, false) => Decision::Deny,
        };
        return Ok(match &args.message {
            Some(message) => json!({ "decision": decision, "message": message }),
            None => json!({ "decision": decision }),
        });
    }
    if !is_question {
        return Err(CliError::usage("--answer: the request is a permission request").hint("use --allow, --always or --deny").into());
    }
    let questions: Vec<Question> = serde_json::from_value(request["questions"].clone())
        .map_err(|_| CliError::failed("the server sent a question that this release does not understand"))?;
    if questions.len() != args.answers.len() {
        let texts: Vec<&str> = questions.iter().map(|question| question.text.as_str()).collect();
        return Err(CliError::usage(format!(
            "--answer: {} given for {} questions: {}",
            args.answers.len(),
            questions.len(),
            texts.join("; ")
        ))
        .hint("give one --answer per question")
        .into());
    }
    let parse = |(text, question): (&String, &Question)| {
        parse_answer(text.trim(), question).map_err(|reason| CliError::usage(format!("--answer `{text}`: {reason}")))
    };
    let answers = args.answers.iter().zip(&questions).map(parse).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "answers": answers }))
}
