//! A failure as reports keep it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Blame, Error, ErrorKind, Inner, Place, Retry, sentence};

/// One failure of a run, in JSON: `kind`, `what`, `where`, `why`, `hint`, `blame` and `retry`.
///
/// As text it is the sentence that the error printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// One sentence.
    pub what: String,
    /// From the inside out.
    #[serde(rename = "where")]
    pub places: Vec<Place>,
    /// The reason as the layer below gave it.
    pub why: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// Whose move it is.
    pub blame: Blame,
    /// Whether trying again can help.
    pub retry: Retry,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let inner = &error.0;
        Failure {
            kind: inner.kind,
            what: inner.what.clone(),
            places: inner.places.clone(),
            why: inner.cause.clone(),
            hint: inner.hint.clone(),
            blame: inner.kind.blame(),
            retry: inner.retry,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Error(Box::new(Inner {
            kind: failure.kind,
            retry: failure.retry,
            what: failure.what,
            places: failure.places,
            cause: failure.why,
            hint: failure.hint,
        }))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        sentence(f, &self.what, &self.places, self.why.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::PlaceKey;

    #[test]
    fn a_failure_is_read_again_as_it_was_written_and_says_what_the_error_said() {
        let error = Error::data("2 rows break the contract")
            .of_kind(ErrorKind::RejectedRows)
            .at("file:///bill.csv")
            .at_key(PlaceKey::Row, 4)
            .at_key(PlaceKey::Slice, "acme/aws/bill.csv")
            .because("`x` is no number")
            .hint("look at it");
        let failure = Failure::from(&error);
        assert_eq!(
            failure.to_string(),
            "2 rows break the contract, file:///bill.csv, row 4, slice acme/aws/bill.csv: `x` is no number"
        );
        assert_eq!(failure.to_string(), error.to_string());
        let json = serde_json::to_value(&failure).unwrap();
        assert_eq!(json["kind"], "rejected_rows");
        assert_eq!(json["where"][1], serde_json::json!({"key": "row", "value": "4"}));
        assert_eq!(
            (&json["blame"], &json["retry"]),
            (&"data".into(), &"never".into())
        );
        assert_eq!(serde_json::from_value::<Failure>(json).unwrap(), failure);
    }
}
