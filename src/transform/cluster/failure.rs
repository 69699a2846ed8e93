//! What the failure of a query on the cluster means. Ballista reports most failures as text: the words in it tell a broken
//! connection and a lost executor from a value that cannot be computed.

use datafusion::error::DataFusionError;

use crate::error::{Error, ErrorKind, Failure};

/// Words of a connection that broke or never came about, between any two processes.
const BROKEN_CONNECTION: [&str; 8] = [
    "GrpcConnectionError",
    "transport error",
    "tcp connect error",
    "Connection refused",
    "onnection reset",
    "Unavailable",
    "roken pipe",
    "Stream closed without job completing",
];
/// Words of work that was lost with the executor that did it.
const LOST_WORK: [&str; 4] = [
    "ExecutorLost",
    "FetchFailed",
    "Shuffle fetch partition error",
    "executors were lost",
];
/// Words of a store that did not give a file.
const STORE: [&str; 3] = ["ObjectStore(", "IoError(", "ParquetError("];

/// The failure in our words, with what to do next.
pub fn explain(error: DataFusionError, scheduler: &str) -> Error {
    if let DataFusionError::External(inner) = error.find_root()
        && let Some(own) = inner.downcast_ref::<Error>()
    {
        return own.clone();
    }
    let text = error.strip_backtrace();
    of_text(&text, scheduler)
}

fn of_text(text: &str, scheduler: &str) -> Error {
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if let Some(own) = own(text) {
        return own;
    }
    // The status of a job names it; a connection to the scheduler that broke names none.
    let of_job = text.contains("Job ");
    if says(&LOST_WORK) || (of_job && says(&BROKEN_CONNECTION)) {
        return Error::external(format!(
            "the cluster lost a part of the work, scheduler {scheduler}"
        ))
        .of_kind(ErrorKind::LostWork)
        .because(text)
        .hint("an executor died or cannot be reached; look at its log, then run again: what is built stays")
        .retryable();
    }
    if says(&BROKEN_CONNECTION) {
        return Error::external(format!("the scheduler of the cluster at {scheduler} cannot be reached"))
            .because(text)
            .hint(
                "start it with `offgridflow cluster scheduler`, or correct [engine] url, then run again: what is built stays",
            )
            .retryable();
    }
    if text.contains("No suitable object store") {
        return Error::usage("an executor of the cluster is configured for another warehouse")
            .because(text)
            .hint("start scheduler and executors with the offgridflow.toml of the run");
    }
    if says(&["Resources exhausted", "ResourcesExhausted"]) {
        return Error::external("a task of the cluster ran out of its memory or spill space")
            .of_kind(ErrorKind::OutOfMemory)
            .because(text)
            .hint("start the executors with more --memory or fewer --concurrent-tasks");
    }
    if says(&STORE) {
        return Error::external("an executor of the cluster could not read the warehouse")
            .because(text)
            .hint("executors open it by their own configuration: try `offgridflow doctor` where they run");
    }
    Error::data("a value cannot be computed").because(text)
}

/// An error of this program that an executor wrote down.
fn own(text: &str) -> Option<Error> {
    let (_, json) = text.split_once("Error({")?;
    let json = format!("{{{json}");
    let mut failures = serde_json::Deserializer::from_str(&json).into_iter::<Failure>();
    failures.next()?.ok().map(Error::from)
}

/// Whether the failed work is worth beginning again on the executors that are left.
pub fn is_lost_work(error: &Error) -> bool {
    error.kind() == ErrorKind::LostWork
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Blame, PlaceKey};

    #[test]
    fn each_failure_is_somebodys_move() {
        let blame = |text: &str| of_text(text, "here:1").blame();
        for (text, wanted) in [
            (
                "Execution error: GrpcConnectionError(\"Could not connect\")",
                Blame::External,
            ),
            ("Job x failed: No suitable object store found", Blame::Usage),
            ("Job x failed: Divide by zero error", Blame::Data),
            (
                "Job x failed: DataFusionError(ResourcesExhausted(\"…\"))",
                Blame::External,
            ),
            (
                "Job x failed: DataFusionError(ObjectStore(NotFound))",
                Blame::External,
            ),
        ] {
            assert_eq!(blame(text), wanted, "{text}");
        }
    }

    #[test]
    fn lost_work_is_begun_again_and_a_lost_scheduler_is_not() {
        let lost = |text: &str| is_lost_work(&of_text(text, "here:1"));
        assert!(lost(
            "External error: Shuffle fetch partition error from Executor a"
        ));
        assert!(lost("Job x failed: transport error"));
        assert!(!lost("status: Unavailable, message: \"tcp connect error\""));
        assert!(!lost("Job x failed: Divide by zero error"));
    }

    #[test]
    fn an_error_of_ours_comes_back_from_an_executor() {
        let sent = Error::data("`1\"2` is no amount")
            .of_kind(ErrorKind::RejectedRows)
            .at_key(PlaceKey::Row, 3)
            .hint("look at {it}");
        let text = format!(
            "Job x failed: Task failed due to runtime execution error: {:?}",
            DataFusionError::from(sent.clone())
        );
        let back = of_text(&text, "here:1");
        assert_eq!(Failure::from(&back), Failure::from(&sent));
        assert_eq!(back.to_string(), "`1\"2` is no amount, row 3");
    }
}
