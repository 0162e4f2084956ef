//! Who is let in, and what the server does when what it needs is away. The first three tests show the three kinds there
//! are: a query, a subscription, a call that is refused.

use serde_json::json;

use crate::support::{Server, code};

const CREATE: &str = "mutation ($input: LeadCreateInput!) {
    leadCreate(input: $input) { lead { id email } userErrors { field code message } }
}";

on_both! {
    async fn a_lead_that_was_made_can_be_read(server: &Server) {
        let made = server.data(CREATE, json!({ "input": { "email": "Ann@Example.com" } })).await;
        assert_eq!(made["leadCreate"]["userErrors"], json!([]));
        let id = &made["leadCreate"]["lead"]["id"];
        let read = server.data("query ($id: ID!) { lead(id: $id) { email } }", json!({ "id": id })).await;
        assert_eq!(read, json!({ "lead": { "email": "ann@example.com" } }));
    }

    async fn a_subscriber_sees_a_lead_being_made(server: &Server) {
        let token = server.token(&["leads:read"]).await;
        let mut socket = server.socket(&token).await;
        let mut feed = socket.subscribe("subscription { leadChanged { event lead { email } } }", json!({})).await;
        server.data(CREATE, json!({ "input": { "email": "ann@example.com" } })).await;
        assert_eq!(
            feed.data().await,
            json!({ "leadChanged": { "event": "LEAD_CREATED", "lead": { "email": "ann@example.com" } } })
        );
    }

    async fn a_reader_may_not_make_a_lead(server: &Server) {
        let token = server.token(&["leads:read"]).await;
        let answer = server.graphql_as(Some(&token), CREATE, json!({ "input": { "email": "a@example.com" } })).await;
        assert_eq!(code(&answer), "FORBIDDEN");
        server.settled().await;
        let leads = server.data("{ leads { nodes { id } } }", json!({})).await;
        assert_eq!(leads["leads"]["nodes"], json!([]));
    }
}
