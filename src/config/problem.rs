//! What is wrong with a configuration, collected so that one run reports all of it.

use std::cell::RefCell;

use super::tree::ValueOrigin;
use crate::error::Error;

/// One thing that is wrong.
#[derive(Debug)]
pub struct Problem {
    pub what: String,
    pub key: String,
    pub origin: ValueOrigin,
    pub hint: Option<String>,
}

/// The problems found so far.
#[derive(Debug)]
pub struct Problems {
    file: Option<String>,
    found: RefCell<Vec<Problem>>,
}

impl Problems {
    /// None yet; `file` is the configuration file as messages name it.
    pub fn new(file: Option<String>) -> Self {
        Problems {
            file,
            found: RefCell::default(),
        }
    }

    /// Notes a problem of the value at `key`.
    pub fn add(&self, key: &str, origin: &ValueOrigin, what: impl Into<String>, hint: impl Into<String>) {
        let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        self.found.borrow_mut().push(Problem {
            what: what.into(),
            key: key.to_string(),
            origin: origin.clone(),
            hint,
        });
    }

    /// `offgridflow.toml line 12`, or the variable or flag.
    pub fn place(&self, origin: &ValueOrigin) -> String {
        match origin {
            ValueOrigin::File { line } => match &self.file {
                Some(file) => format!("{file} line {line}"),
                None => format!("line {line}"),
            },
            ValueOrigin::Environment(name) => format!("environment variable {name}"),
            ValueOrigin::Flag => "command line".to_string(),
            ValueOrigin::Default | ValueOrigin::Derived(_) => "defaults".to_string(),
        }
    }

    /// All of them as one error; `None` when there are none.
    pub fn into_error(self) -> Option<Error> {
        let mut found = self.found.take();
        found.sort_by_key(|problem| match problem.origin {
            ValueOrigin::File { line } => line,
            _ => usize::MAX,
        });
        if let [problem] = found.as_slice() {
            let error = Error::usage(problem.what.clone())
                .at(self.place(&problem.origin))
                .at(format!("key {}", problem.key));
            return Some(match &problem.hint {
                Some(hint) => error.hint(hint.clone()),
                None => error,
            });
        }
        if found.is_empty() {
            return None;
        }
        let lines: Vec<String> = found
            .iter()
            .map(|problem| {
                let hint = problem
                    .hint
                    .as_ref()
                    .map_or(String::new(), |hint| format!("; {hint}"));
                format!(
                    "\n  {}, key {}: {}{hint}",
                    self.place(&problem.origin),
                    problem.key,
                    problem.what
                )
            })
            .collect();
        let what = format!("the configuration has {} problems", found.len());
        Some(
            Error::usage(what)
                .because(lines.concat())
                .hint("`offgridflow config show` prints every key with its value and origin"),
        )
    }
}
