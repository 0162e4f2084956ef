//! Objects most of whose fields are there already.

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use async_graphql::indexmap::IndexMap;
use async_graphql::indexmap::map::Entry;
use async_graphql::parser::types::{Field, Selection};
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::{ContainerType, resolve_container};
use async_graphql::{
    ContextSelectionSet, Name, ObjectType, OutputType, Positioned, ServerError, ServerResult, Value,
};
use futures_util::future::BoxFuture;
use futures_util::poll;

/// An object in GraphQL that is answered at once as far as it can be.
///
/// async-graphql makes a box and a task for every field. Most fields of what lists show are ready when they are first looked
/// at: for them that is most of the work. Here fields take turns in one box, and only those that have to wait for a
/// loader keep it. The schema and the answers are those of the object itself. (async-graphql's extensions are not asked
/// about its fields: the schema has none.)
pub struct Eager<T>(pub T);

impl<T> From<T> for Eager<T> {
    fn from(object: T) -> Self {
        Self(object)
    }
}

impl<T: ObjectType> OutputType for Eager<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    fn introspection_type_name(&self) -> Cow<'static, str> {
        self.0.introspection_type_name()
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        let mut fields = Vec::new();
        // A box, so that the compiler need not see through a lead's score to the score's lead and so on.
        let answer: BoxFuture<'_, ServerResult<Value>> =
            if collect::<T>(ctx, &ctx.item.node.items, &mut fields)? {
                Box::pin(async move { Ok(resolve(ctx, &self.0, &fields).await) })
            } else {
                Box::pin(resolve_container(ctx, &self.0))
            };
        answer.await
    }
}

impl<T: ObjectType> ContainerType for Eager<T> {
    async fn resolve_field(&self, ctx: &async_graphql::Context<'_>) -> ServerResult<Option<Value>> {
        self.0.resolve_field(ctx).await
    }
}

impl<T: ObjectType> ObjectType for Eager<T> {}

/// The fields of a selection, those of its fragments among them; false where something is selected that the usual way
/// has to answer: directives of a field, fragments on an interface.
fn collect<'a, T: ObjectType>(
    ctx: &ContextSelectionSet<'a>,
    selections: &'a [Positioned<Selection>],
    fields: &mut Vec<&'a Positioned<Field>>,
) -> ServerResult<bool> {
    for selection in selections {
        let (condition, selected) = match &selection.node {
            Selection::Field(field) if field.node.directives.is_empty() => {
                fields.push(field);
                continue;
            }
            Selection::Field(_) => return Ok(false),
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                let Some(fragment) = ctx.query_env.fragments.get(name) else {
                    let message = format!(r#"Unknown fragment "{name}"."#);
                    return Err(ServerError::new(message, Some(spread.pos)));
                };
                (Some(&fragment.node.type_condition), &fragment.node.selection_set)
            }
            Selection::InlineFragment(fragment) => (
                fragment.node.type_condition.as_ref(),
                &fragment.node.selection_set,
            ),
        };
        let same = condition.is_none_or(|condition| condition.node.on.node == *T::type_name());
        if !same || !collect::<T>(ctx, &selected.node.items, fields)? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn resolve<'a, T: ObjectType>(
    ctx: &ContextSelectionSet<'a>,
    object: &T,
    fields: &[&'a Positioned<Field>],
) -> Value {
    let one = async |field: &'a Positioned<Field>| -> ServerResult<Value> {
        if field.node.name.node == "__typename" {
            return Ok(Value::String(object.introspection_type_name().into_owned()));
        }
        Ok(object
            .resolve_field(&ctx.with_field(field))
            .await?
            .unwrap_or_default())
    };
    let mut answers: Vec<Option<ServerResult<Value>>> = Vec::with_capacity(fields.len());
    let mut waiting = Vec::new();
    let mut slot = None;
    for (place, field) in fields.iter().enumerate() {
        let mut asked: Pin<Box<Option<_>>> = slot.take().unwrap_or_else(|| Box::pin(None));
        asked.set(Some(one(field)));
        let polled = match asked.as_mut().as_pin_mut() {
            Some(field) => poll!(field),
            None => Poll::Pending,
        };
        match polled {
            Poll::Ready(answer) => {
                answers.push(Some(answer));
                slot = Some(asked);
            }
            Poll::Pending => {
                answers.push(None);
                waiting.push((place, asked));
            }
        }
    }
    poll_fn(|task| {
        waiting.retain_mut(|(place, asked)| {
            let polled = asked.as_mut().as_pin_mut().map(|field| field.poll(task));
            match polled {
                Some(Poll::Ready(answer)) => {
                    answers[*place] = Some(answer);
                    false
                }
                _ => true,
            }
        });
        if waiting.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;

    let mut values = IndexMap::with_capacity(fields.len());
    for (field, answer) in fields.iter().zip(answers.into_iter().flatten()) {
        match answer {
            Ok(value) => put(&mut values, field.node.response_key().node.clone(), value),
            Err(error) => ctx.add_error(error),
        }
    }
    if values.is_empty() {
        Value::Null
    } else {
        Value::Object(values)
    }
}

/// Puts a value in its place; what is selected twice is merged.
fn put(values: &mut IndexMap<Name, Value>, name: Name, value: Value) {
    match values.entry(name) {
        Entry::Vacant(place) => {
            place.insert(value);
        }
        Entry::Occupied(place) => merge(place.into_mut(), value),
    }
}

fn merge(there: &mut Value, value: Value) {
    match (there, value) {
        (Value::Object(there), Value::Object(values)) => {
            for (name, value) in values {
                put(there, name, value);
            }
        }
        (Value::List(there), Value::List(values)) => {
            for (there, value) in there.iter_mut().zip(values) {
                merge(there, value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_graphql::{EmptyMutation, EmptySubscription, Object, Request, Result, Schema, Variables};
    use serde_json::json;

    use super::*;

    /// Has fields that are there, that wait, that fail and that are objects.
    struct Thing(i32);

    #[Object]
    impl Thing {
        async fn number(&self) -> i32 {
            self.0
        }
        async fn absent(&self) -> Option<i32> {
            None
        }
        async fn slow(&self, millis: Option<u64>) -> i32 {
            tokio::time::sleep(Duration::from_millis(millis.unwrap_or(2))).await;
            self.0 * 10
        }
        async fn wrong(&self) -> Result<Option<i32>> {
            Err("no".into())
        }
        async fn wrong_later(&self) -> Result<Option<i32>> {
            tokio::task::yield_now().await;
            Err("not now either".into())
        }
        async fn plain(&self) -> Option<Thing> {
            (self.0 < 3).then(|| Thing(self.0 + 1))
        }
        async fn eager(&self) -> Option<Eager<Thing>> {
            (self.0 < 3).then(|| Eager(Thing(self.0 + 1)))
        }
        async fn plain_list(&self) -> Vec<Thing> {
            (0..40).map(Thing).collect()
        }
        async fn eager_list(&self) -> Vec<Eager<Thing>> {
            (0..40).map(|n| Eager(Thing(n))).collect()
        }
    }

    fn schema() -> Schema<Thing, EmptyMutation, EmptySubscription> {
        Schema::new(Thing(0), EmptyMutation, EmptySubscription)
    }

    /// What a query answers about `thing` and `things`, resolved in one way or the other.
    async fn answer(query: &str, way: &str) -> (serde_json::Value, Vec<String>) {
        let query = query.replace("things", &format!("things: {way}List"));
        let query = query.replace("thing {", &format!("thing: {way} {{"));
        let request =
            Request::new(query).variables(Variables::from_json(json!({ "yes": true, "no": false })));
        let response = schema().execute(request).await;
        let mut errors: Vec<_> = response
            .errors
            .iter()
            .map(|error| {
                format!(
                    "{:?} {:?} {}",
                    error.path,
                    error.locations.first().map(|at| at.line),
                    error.message
                )
            })
            .map(|error| error.replace(way, "way"))
            .collect();
        errors.sort();
        (serde_json::to_value(&response.data).unwrap(), errors)
    }

    #[tokio::test]
    async fn answers_are_those_of_the_object_itself() {
        let queries = [
            "{ thing { number absent slow } }",
            "{ thing { a: slow b: slow(millis: 1) number c: number __typename } }",
            "{ thing { number ...More thing { ...More } } } fragment More on Thing { slow absent thing { number } }",
            "{ thing { ... on Thing { number } ... { slow } ... on Other { number } } }",
            "{ thing { thing { number } thing { slow } ... { thing { absent number } } } }",
            "query($yes: Boolean!, $no: Boolean!) { thing { number @include(if: $yes) slow @skip(if: $yes) \
             absent @include(if: $no) ... @skip(if: $no) { slow } } }",
            "{ thing { number wrong slow wrongLater thing { wrong number } } }",
            "{ things { number slow(millis: 3) wrong thing { thing { number } } } }",
            "{ thing { thing { thing { thing { number } } } } }",
            "{ thing { things { number } things { slow } } }",
        ];
        for query in queries {
            let plain = answer(query, "plain").await;
            assert_eq!(answer(query, "eager").await, plain, "{query}");
            assert!(
                plain.0.is_object() || !plain.1.is_empty(),
                "{query} answers nothing"
            );
        }
    }

    #[tokio::test]
    async fn fields_stand_in_the_order_of_the_query() {
        let response = schema()
            .execute("{ eager { slow number absent a: slow(millis: 0) } }")
            .await;
        let text = serde_json::to_string(&response.data).unwrap();
        assert_eq!(text, r#"{"eager":{"slow":10,"number":1,"absent":null,"a":10}}"#);
    }

    #[tokio::test]
    async fn fields_that_wait_wait_together() {
        let begin = std::time::Instant::now();
        let query = "{ eager { a: slow(millis: 300) b: slow(millis: 300) } eagerList { slow(millis: 300) } }";
        assert!(schema().execute(query).await.is_ok());
        assert!(
            begin.elapsed() < Duration::from_millis(500),
            "{:?}",
            begin.elapsed()
        );
    }
}
