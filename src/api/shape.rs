//! The schema as a caller has it: what they may not use is as if it did not exist.
//!
//! - Introspection leaves it out: fields by their own `visible` (`#[scoped]`), types by [`shows`].
//! - [`sdl_for`] is the same as text.
//! - A document that asks for it is answered like one that asks for a name nobody knows: [`conceal`] gives what is hidden
//!   names that no schema has, before anything looks at the document, so that validation says of them what it says of any
//!   unknown name; [`reveal`] takes the mark out of what it said.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use async_graphql::parser::types::{
    BaseType, DocumentOperations, ExecutableDocument, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Context, Name, Positioned, Response};
use moka::sync::Cache;

use super::contract::{Contract, named, root_of};
use super::node;
use super::types::{CallerData, Need};
use crate::identity::{Caller, Scope, Scopes};

/// Stands behind a hidden name. No document can have it in a name, and no message in its words.
const MARK: char = '\u{0}';

/// Most shapes that are remembered; there are as many as sets of scopes in use.
const MOST_SHAPES: u64 = 256;

/// What a shape depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Standing {
    is_somebody: bool,
    scopes: Scopes,
    is_user: bool,
    sees_all_rows: bool,
}

/// The names of the types that a caller can come to by fields that they may use.
type Types = Arc<HashSet<Name>>;

static SHAPES: LazyLock<Cache<Standing, Types>> = LazyLock::new(|| Cache::new(MOST_SHAPES));

fn may(need: Option<Need>, caller: Option<&Caller>) -> bool {
    need.is_none_or(|need| need.check(caller).is_ok())
}

fn types_for(caller: Option<&Caller>) -> Types {
    let standing = Standing {
        is_somebody: caller.is_some(),
        scopes: caller.map_or_else(Scopes::default, |caller| caller.scopes),
        is_user: caller.is_some_and(|caller| caller.user.is_some()),
        sees_all_rows: caller.is_some_and(|caller| caller.rows.is_all()),
    };
    SHAPES.get_with(standing, || Arc::new(reached(Contract::ours(), caller)))
}

/// The types that fields lead to, and `node`. That a type is one of many that a timeline may answer with does not show
/// it: who may read such a thing has a field of that type.
fn reached(contract: &Contract, caller: Option<&Caller>) -> HashSet<Name> {
    let mut types = HashSet::new();
    let mut next: Vec<&Name> = Vec::new();
    let roots = ["Query", "Mutation", "Subscription"].map(Name::new);
    // Arguments of directives.
    let words = ["String", "Boolean"].map(Name::new);
    let nodes: Vec<_> = node::areas()
        .map(|(name, area)| (Name::new(name), area))
        .collect();
    next.extend(roots.iter().chain(&words));
    while let Some(name) = next.pop() {
        if !types.insert(name.clone()) {
            continue;
        }
        if let Some(fields) = contract.fields.get(name) {
            let shown = fields.values().filter(|field| may(field.need, caller));
            next.extend(shown.flat_map(|field| std::iter::once(named(&field.ty)).chain(&field.arguments)));
        }
        next.extend(contract.others.get(name).into_iter().flatten());
        if name == "Node" {
            next.extend(
                nodes
                    .iter()
                    .filter(|(_, area)| may(Some(Need::to_read(*area)), caller))
                    .map(|(name, _)| name),
            );
        }
    }
    // A type has fields: who may watch nothing has no subscriptions.
    types.retain(|name| {
        let fields = contract.fields.get(name);
        fields.is_none_or(|fields| fields.values().any(|field| may(field.need, caller)))
    });
    types
}

/// Whether introspection shows a type to the caller.
pub(super) fn shows(ctx: &Context<'_>, ty: &str) -> bool {
    let caller = ctx.data_opt::<CallerData>();
    types_for(caller.and_then(|data| data.0.as_deref())).contains(ty)
}

/// What a document asks for that may be hidden from somebody.
#[derive(Debug, Default)]
pub(super) struct Asks {
    needs: Vec<Need>,
    types: Vec<Name>,
}

impl Asks {
    pub(super) fn of(document: &ExecutableDocument) -> Self {
        let mut asks = Self::default();
        for (_, operation) in document.operations.iter() {
            let operation = &operation.node;
            for variable in &operation.variable_definitions {
                asks.name(named(&variable.node.var_type.node));
            }
            asks.set(&operation.selection_set.node, root_of(operation.ty));
        }
        for fragment in document.fragments.values() {
            let on = &fragment.node.type_condition.node.on.node;
            asks.name(on);
            asks.set(&fragment.node.selection_set.node, on);
        }
        asks
    }

    fn name(&mut self, name: &Name) {
        if !self.types.contains(name) && Contract::ours().has(name) {
            self.types.push(name.clone());
        }
    }

    fn set(&mut self, set: &SelectionSet, parent: &str) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let Some(known) = Contract::ours().field(parent, &field.name.node) else {
                        continue;
                    };
                    if let Some(need) = known.need
                        && !self.needs.contains(&need)
                    {
                        self.needs.push(need);
                    }
                    self.set(&field.selection_set.node, named(&known.ty));
                }
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref().map(|on| &on.node.on.node);
                    if let Some(on) = on {
                        self.name(on);
                    }
                    let parent = on.map_or(parent, Name::as_str);
                    self.set(&inline.node.selection_set.node, parent);
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    /// Whether something of it is hidden from the caller.
    pub(super) fn are_beyond(&self, caller: Option<&Caller>) -> bool {
        !self.needs.iter().all(|need| may(Some(*need), caller))
            || (!self.types.is_empty() && {
                let types = types_for(caller);
                !self.types.iter().all(|name| types.contains(name))
            })
    }
}

/// Whether nothing is hidden from a caller but what is for people alone.
pub(super) fn is_whole(caller: &Caller) -> bool {
    caller.scopes.allows(Scope::Admin) && caller.rows.is_all()
}

/// Gives what is hidden from a caller names that no schema has.
pub(super) fn conceal(document: &mut ExecutableDocument, caller: Option<&Caller>) {
    let types = types_for(caller);
    let veil = Veil {
        types: &types,
        caller,
    };
    match &mut document.operations {
        DocumentOperations::Single(operation) => veil.operation(operation),
        DocumentOperations::Multiple(operations) => {
            operations
                .values_mut()
                .for_each(|operation| veil.operation(operation));
        }
    }
    for fragment in document.fragments.values_mut() {
        let fragment = &mut fragment.node;
        let on = &mut fragment.type_condition.node.on.node;
        let parent = on.clone();
        veil.name(on);
        veil.set(&mut fragment.selection_set.node, &parent);
    }
}

struct Veil<'a> {
    types: &'a HashSet<Name>,
    caller: Option<&'a Caller>,
}

impl Veil<'_> {
    fn operation(&self, operation: &mut Positioned<OperationDefinition>) {
        let operation = &mut operation.node;
        for variable in &mut operation.variable_definitions {
            let mut base = &mut variable.node.var_type.node.base;
            loop {
                match base {
                    BaseType::Named(name) => {
                        self.name(name);
                        break;
                    }
                    BaseType::List(inner) => base = &mut inner.base,
                }
            }
        }
        self.set(&mut operation.selection_set.node, root_of(operation.ty));
    }

    fn name(&self, name: &mut Name) {
        if Contract::ours().has(name) && !self.types.contains(name) {
            *name = hidden(name);
        }
    }

    fn set(&self, set: &mut SelectionSet, parent: &str) {
        for selection in &mut set.items {
            match &mut selection.node {
                Selection::Field(field) => {
                    let field = &mut field.node;
                    let Some(known) = Contract::ours().field(parent, &field.name.node) else {
                        continue;
                    };
                    if may(known.need, self.caller) {
                        self.set(&mut field.selection_set.node, named(&known.ty));
                    } else {
                        field.name.node = hidden(&field.name.node);
                    }
                }
                Selection::InlineFragment(inline) => {
                    let inline = &mut inline.node;
                    let on = inline.type_condition.as_mut().map(|on| &mut on.node.on.node);
                    let condition = on.map(|on| {
                        let was = on.clone();
                        self.name(on);
                        was
                    });
                    let parent = condition.as_ref().map_or(parent, Name::as_str);
                    self.set(&mut inline.selection_set.node, parent);
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }
}

fn hidden(name: &Name) -> Name {
    Name::new(format!("{name}{MARK}"))
}

/// Takes the mark of hidden names out of what was said of them.
pub(super) fn reveal(response: &mut Response) {
    for error in &mut response.errors {
        error.message.retain(|letter| letter != MARK);
    }
}

/// The schema as text, as far as a caller may use it.
#[must_use]
pub fn sdl_for(caller: &Caller) -> String {
    let types = types_for(Some(caller));
    let sdl = super::sdl();
    let mut text = String::with_capacity(sdl.len());
    for entry in entries(sdl, 0) {
        let mut words = entry.head.split([' ', '(']);
        let (kind, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match kind {
            "directive" => text += entry.text,
            "schema" => {
                for line in entry.text.split_inclusive('\n') {
                    let root = line.trim().split_once(": ").map(|(_, root)| root);
                    if root.is_none_or(|root| types.contains(root)) {
                        text += line;
                    }
                }
            }
            _ if !types.contains(name) => {}
            "type" | "interface" => {
                let Some((before, body)) = entry.text.split_once(" {\n") else {
                    text += entry.text;
                    continue;
                };
                let (body, after) = body.rsplit_once("\n}").unwrap_or((body, ""));
                text += before;
                text += " {\n";
                for member in entries(body, 1) {
                    let field = member.head.split(['(', ':']).next().unwrap_or_default();
                    let need = Contract::ours().field(name, field).and_then(|field| field.need);
                    if may(need, Some(caller)) {
                        text += member.text.trim_end_matches('\n');
                        text += "\n";
                    }
                }
                text += "}";
                text += after;
            }
            "union" => {
                let Some((before, members)) = entry.text.split_once(" = ") else {
                    continue;
                };
                let members = members
                    .trim_end()
                    .split(" | ")
                    .filter(|member| types.contains(*member));
                text += &format!("{before} = {}\n\n", members.collect::<Vec<_>>().join(" | "));
            }
            _ => text += entry.text,
        }
    }
    text
}

/// Something that a schema as text defines.
struct Entry<'s> {
    /// The line that names it, without its indent.
    head: &'s str,
    /// All of it, from its description to what is next.
    text: &'s str,
}

/// The things that stand at an indent of a schema as [`sdl`](super::sdl) prints it: each begins with its description or,
/// without one, with the line that names it; all that is indented deeper belongs to it.
fn entries(text: &str, indent: usize) -> Vec<Entry<'_>> {
    let mut found: Vec<(usize, &str)> = Vec::new();
    let (mut within, mut described) = (false, false);
    let mut place = 0;
    for line in text.split_inclusive('\n') {
        let begin = place;
        place += line.len();
        let rest = line.trim_end().get(indent..).unwrap_or_default();
        if rest == "\"\"\"" {
            if !within {
                found.push((begin, ""));
                described = true;
            }
            within = !within;
        } else if !within && rest.starts_with(|first: char| !matches!(first, '\t' | '}' | ')')) {
            match found.last_mut().filter(|_| described) {
                Some(last) => last.1 = rest,
                None => found.push((begin, rest)),
            }
            described = false;
        }
    }
    let ends = found.iter().skip(1).map(|(begin, _)| *begin).chain([text.len()]);
    found
        .iter()
        .zip(ends)
        .map(|((begin, head), end)| Entry {
            head,
            text: &text[*begin..end],
        })
        .collect()
}
