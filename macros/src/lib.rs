//! - `#[scoped]`: one declaration says which scope a GraphQL field asks for, to the guard, the schema, the reader and
//!   introspection, so that they cannot come apart.
//! - `#[derive(ByPlace)]`: rows read by the place of their columns.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Ident, ImplItem, ImplItemFn, ItemImpl, ItemStruct, LitStr, Meta, Token, parse_macro_input,
    parse_quote,
};

/// Goes above `#[Object]`, `#[ComplexObject]` or `#[Subscription]`, and reads `#[scope("leads:read")]` of each method. From
/// it come
/// - the guard: the caller has to have the scope,
/// - the directive `@scope(requires: "leads:read")` in the schema,
/// - the last sentence of the description,
/// - and that introspection shows the field only to those who have the scope.
///
/// `#[scope("any")]` asks for a token, whatever its scopes: what is found asks for its own. `#[scope("user")]` asks for a
/// signed-in user, `#[scope("none")]` for nothing. `#[scope("users:write", all_rows)]` is not for callers who see a part of
/// the rows alone: the schema has `@allRows` then as well.
#[proc_macro_attribute]
pub fn scoped(_: TokenStream, item: TokenStream) -> TokenStream {
    let mut block = parse_macro_input!(item as ItemImpl);
    for item in &mut block.items {
        if let ImplItem::Fn(method) = item
            && let Err(error) = spread(method)
        {
            return error.to_compile_error().into();
        }
    }
    block.into_token_stream().into()
}

/// `"leads:read"` or `"leads:read", all_rows`.
struct Scope {
    name: LitStr,
    all_rows: bool,
}

impl Parse for Scope {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse()?;
        let all_rows = input.parse::<Option<Token![,]>>()?.is_some();
        if all_rows {
            let word: Ident = input.parse()?;
            if word != "all_rows" {
                return Err(syn::Error::new_spanned(word, "`all_rows` was expected"));
            }
        }
        Ok(Self { name, all_rows })
    }
}

fn spread(method: &mut ImplItemFn) -> syn::Result<()> {
    let Some(place) = method
        .attrs
        .iter()
        .position(|attribute| attribute.path().is_ident("scope"))
    else {
        return Ok(());
    };
    let Scope {
        name: scope,
        all_rows,
    } = method.attrs.remove(place).parse_args()?;
    // The names are checked where they are found: there is one module for each scope.
    let module = format_ident!("{}", scope.value().replace([':', '-'], "_"), span = scope.span());
    let types = quote!(crate::api::types);
    let module = quote!(#types::scopes::#module);
    let door = if all_rows {
        quote!(#module::all_rows)
    } else {
        module.clone()
    };
    let visible = quote!(#door::is_visible).to_string();
    let mut said = quote! {
        guard = #door::Guard,
        visible = #visible,
        directive = #types::scope::apply(#module::NAME.to_owned())
    };
    if all_rows {
        said.extend(quote!(, directive = #types::allRows::apply()));
    }
    match method
        .attrs
        .iter_mut()
        .find(|attribute| attribute.path().is_ident("graphql"))
    {
        Some(attribute) => add(attribute, said)?,
        None => method.attrs.push(parse_quote!(#[graphql(#said)])),
    }
    let mut sentence = match scope.value().as_str() {
        "any" | "none" => String::new(),
        "user" => " For signed-in users.".to_owned(),
        name => format!(" Scope: `{name}`."),
    };
    if all_rows {
        sentence += " Not for tokens with a row filter.";
    }
    if !sentence.is_empty() {
        let last = method
            .attrs
            .iter()
            .rposition(|attribute| attribute.path().is_ident("doc"));
        method
            .attrs
            .insert(last.map_or(0, |last| last + 1), parse_quote!(#[doc = #sentence]));
    }
    Ok(())
}

/// Adds to what `#[graphql(…)]` says.
fn add(attribute: &mut Attribute, said: Tokens) -> syn::Result<()> {
    let Meta::List(list) = &mut attribute.meta else {
        return Err(syn::Error::new_spanned(attribute, "`#[graphql(…)]` was expected"));
    };
    let before = &list.tokens;
    list.tokens = quote!(#before, #said);
    Ok(())
}

/// `entity::ByPlace` for the model of a table: its fields are its columns, in this order.
#[proc_macro_derive(ByPlace)]
pub fn by_place(item: TokenStream) -> TokenStream {
    let model = parse_macro_input!(item as ItemStruct);
    let name = &model.ident;
    let fields: Vec<_> = model
        .fields
        .iter()
        .filter_map(|field| field.ident.as_ref())
        .collect();
    let columns = fields.iter().map(|field| field.unraw().to_string());
    let places = 0..fields.len();
    quote! {
        impl crate::ByPlace for #name {
            const COLUMNS: &'static [&'static str] = &[#(#columns),*];

            fn by_place(row: &sea_orm::QueryResult, from: usize) -> Result<Self, sea_orm::DbErr> {
                Ok(Self { #(#fields: row.try_get_by_index(from + #places)?),* })
            }
        }
    }
    .into()
}
