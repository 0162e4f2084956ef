//! User errors: one GraphQL type for each area's codes.

/// Defines the user error of an area: `user_errors!(LeadUserError, LeadProblem);`.
///
/// The type has `field`, `message` and `code`, and is made from a [`Problem`](crate::error::Problem).
macro_rules! user_errors {
    ($(#[$doc:meta])* $name:ident, $code:ty) => {
        $(#[$doc])*
        #[derive(async_graphql::SimpleObject, Clone, Debug)]
        pub struct $name {
            /// Path of the input field, outermost first; empty when it is about the whole input.
            field: Vec<String>,
            /// What is wrong and what would be right.
            message: String,
            /// The kind of failure, for programs.
            code: $code,
        }

        impl From<crate::error::Problem<$code>> for $name {
            fn from(problem: crate::error::Problem<$code>) -> Self {
                let crate::error::Problem { field, message, code } = problem;
                Self { field, message, code }
            }
        }

        impl $name {
            /// Tells the outcome of a use case apart: its value, or the user errors to answer with.
            ///
            /// # Errors
            /// What is not an expected failure.
            pub fn split<T>(
                outcome: crate::error::Outcome<T, $code>,
            ) -> Result<(Option<T>, Vec<Self>), crate::error::Error> {
                match outcome {
                    Ok(value) => Ok((Some(value), Vec::new())),
                    Err(crate::error::Failure::Problems(problems)) => {
                        Ok((None, problems.into_iter().map(Self::from).collect()))
                    }
                    Err(crate::error::Failure::Error(error)) => Err(error),
                }
            }
        }
    };
}

pub(crate) use user_errors;
