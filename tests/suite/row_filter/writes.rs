//! Changes: what is changed is the partner's to see before and after.

use std::collections::BTreeSet;

use leadline::identity::{Caller, Rows, Scopes, create_token, list_tokens, revoke_token};
use leadline::leads::visible::row_filter;
use serde_json::{Value, json};

use super::{CONSENT, CONVERT, DEAL, ENGAGE, MOVE, NOTE, PARTNER, Scene, TAGGED, UPDATE, does, partner};
use crate::every_field::operations;
use crate::support::{Database, Server, Setup, code, unknown_field};

const CREATE: &str = "mutation ($input: LeadCreateInput!) { it: leadCreate(input: $input) { outcome lead { id } userErrors { field code message } } }";
const UPSERT: &str = "mutation ($input: LeadUpsertInput!) { it: leadUpsert(input: $input) { outcome lead { id } userErrors { field code message } } }";
const ALL: &str = "{ leads(order: { field: CREATED_AT, direction: ASC }) { nodes { id email firstName source stage version tags { name } consents { state }
    notes { nodes { body } } engagements { nodes { id } } conversions { id } stageHistory { nodes { id } } identities { value } } } activity(first: 1) { nodes { cursor } } }";

/// What a token with a row filter may not do at all.
const FORBIDDEN: &[&str] = &[
    "apiTokenCreate",
    "apiTokenRevoke",
    "apiTokenRotate",
    "apiTokenUpdate",
    "attributionSettingsUpdate",
    "audienceCreate",
    "audienceDelete",
    "audienceLookalike",
    "audienceSync",
    "audienceUpdate",
    "connectionAuthorize",
    "connectionCreate",
    "connectionDelete",
    "connectionDisable",
    "connectionEnable",
    "connectionSync",
    "connectionTest",
    "connectionUpdate",
    "connectionWebhooksRegister",
    "conversionBackfill",
    "conversionDeliveryRetry",
    "conversionSharingUpdate",
    "costVoid",
    "costsImport",
    "costsImportPreview",
    "costsRecord",
    "currencyRatesImport",
    "currencyRatesImportPreview",
    "currencyRatesRecord",
    "currencySettingsUpdate",
    "customFieldArchive",
    "customFieldCreate",
    "customFieldUpdate",
    "dealStagesUpdate",
    "invitationCreate",
    "invitationRevoke",
    "lifecycleSettingsUpdate",
    "lifetimeModelFit",
    "roleCreate",
    "roleDelete",
    "roleUpdate",
    "scoreModelBacktest",
    "scoreModelDraftCreate",
    "scoreModelDraftUpdate",
    "scoreModelPublish",
    "scoresRecalculate",
    "shopAudit",
    "shopCustomerNoteAdd",
    "shopCustomerTagsChange",
    "suppressionAdd",
    "suppressionRemove",
    "tagDelete",
    "tagUpdate",
    "textBudgetUpdate",
    "textGenerate",
    "textGenerationCancel",
    "userDeactivate",
    "userReactivate",
    "userRoleChange",
    "webhookReplay",
];
/// What it may do to the leads that it sees, each with a case in this file, in `transfers`, in `revenue::reversals` or in
/// `revenue::deals`.
const WITHIN: &[&str] = &[
    "consentRecord",
    "consentsRecord",
    "conversionRecord",
    "conversionRefund",
    "conversionVoid",
    "conversionsImport",
    "conversionsRecord",
    "dealCreate",
    "dealLose",
    "dealMove",
    "dealReopen",
    "dealUpdate",
    "dealWin",
    "engagementRecord",
    "engagementsImport",
    "engagementsRecord",
    "jobCancel",
    "leadCreate",
    "leadDelete",
    "leadErase",
    "leadRestore",
    "leadStageChange",
    "leadTagsAdd",
    "leadTagsRemove",
    "leadUpdate",
    "leadUpsert",
    "leadsCreate",
    "leadsDelete",
    "leadsExport",
    "leadsImport",
    "leadsImportPreview",
    "leadsStageChange",
    "leadsTag",
    "leadsUpdate",
    "leadsUpsert",
    "messageResend",
    "messageSend",
    "noteAdd",
    "noteDelete",
    "noteUpdate",
    "reportExport",
];
/// What touches no lead.
const APART: &[&str] = &[
    "conversionsImportPreview",
    "emailVerify",
    "engagementsImportPreview",
    "openIdBegin",
    "passwordChange",
    "passwordForgot",
    "passwordReset",
    "profileUpdate",
    "recoveryCodesRenew",
    "secondFactorBegin",
    "secondFactorConfirm",
    "secondFactorDisable",
    "sessionRefresh",
    "sessionRevoke",
    "setUp",
    "signIn",
    "signInConfirm",
    "signOut",
    "signUp",
    "tagCreate",
];

/// The input of a mutation about a lead.
type Input = Box<dyn Fn(&str) -> Value>;

/// The code of the first user error; empty without one.
fn refusal(payload: &Value) -> &str {
    payload["userErrors"][0]["code"].as_str().unwrap_or_default()
}

/// A lead's id that nobody has.
fn nobody() -> String {
    entity::id::LeadId::at(entity::Timestamp(1)).to_string()
}

on_both! {
    async fn each_mutation_is_within_or_forbidden(server: &Server) {
        let known: BTreeSet<&str> = [FORBIDDEN, WITHIN, APART].concat().into_iter().collect();
        let all = operations("Mutation");
        let all: BTreeSet<&str> = all.iter().map(|(field, _)| &field[..]).collect();
        assert_eq!(all, known, "say here what a token with a row filter may do by a new mutation");
        let scene = Scene::new(server).await;
        let token = partner(server, &["admin"], PARTNER).await;
        let made = server.data("mutation { f: customFieldCreate(input: { key: \"k\", type: TEXT }) { customField { id } }
            m: scoreModelDraftCreate(input: {}) { model { id } } }", json!({})).await;
        let (field, model) = (made["f"]["customField"]["id"].as_str().unwrap(), made["m"]["model"]["id"].as_str().unwrap());
        let connection = entity::id::ConnectionId::at(entity::Timestamp(1));
        let audience = entity::id::AudienceId::at(entity::Timestamp(1));
        for name in FORBIDDEN {
            let call = match *name {
                "customFieldArchive" => format!("(input: {{ id: \"{field}\", archived: true }})"),
                "customFieldCreate" => "(input: { key: \"other\", type: TEXT })".to_owned(),
                "customFieldUpdate" => format!("(input: {{ id: \"{field}\", label: \"x\" }})"),
                "costVoid" => format!("(input: {{ id: \"{}\" }})", entity::id::CostId::at(entity::Timestamp(1))),
                "dealStagesUpdate" => "(input: { stages: [] })".to_owned(),
                "costsRecord" | "currencyRatesRecord" => "(input: { items: [] })".to_owned(),
                "costsImport" | "costsImportPreview" | "currencyRatesImport" | "currencyRatesImportPreview" => {
                    format!("(input: {{ uploadId: \"{}\" }})", entity::id::UploadId::at(entity::Timestamp(1)))
                }
                "attributionSettingsUpdate" | "currencySettingsUpdate" => "(input: {})".to_owned(),
                "lifetimeModelFit" => String::new(),
                "lifecycleSettingsUpdate" => "(input: { qualifiedOnScore: false })".to_owned(),
                "scoreModelBacktest" => format!("(input: {{ draftId: \"{model}\" }})"),
                "scoreModelDraftCreate" => "(input: {})".to_owned(),
                "scoreModelDraftUpdate" | "scoreModelPublish" => format!("(input: {{ id: \"{model}\" }})"),
                "scoresRecalculate" => String::new(),
                "connectionCreate" => "(input: { platform: \"smtp\", name: \"x\" })".to_owned(),
                "audienceCreate" => format!("(input: {{ connectionId: \"{connection}\", name: \"x\", filter: {{}} }})"),
                "audienceDelete" => format!("(input: {{ id: \"{audience}\", alsoOnPlatform: false }})"),
                "audienceLookalike" => format!("(input: {{ id: \"{audience}\", name: \"x\", country: \"DE\", ratio: 0.01 }})"),
                "audienceSync" | "audienceUpdate" => format!("(input: {{ id: \"{audience}\" }})"),
                "conversionBackfill" => format!("(input: {{ connectionId: \"{connection}\", since: \"2026-03-01T12:00:00Z\" }})"),
                "conversionDeliveryRetry" => format!("(input: {{ ids: [\"{}\"] }})", entity::id::ConversionDeliveryId::at(entity::Timestamp(1))),
                "conversionSharingUpdate" => format!("(input: {{ connectionId: \"{connection}\" }})"),
                "shopAudit" => format!("(input: {{ connectionId: \"{connection}\" }})"),
                "shopCustomerNoteAdd" => format!("(input: {{ connectionId: \"{connection}\", customerId: \"1\", note: \"x\" }})"),
                "shopCustomerTagsChange" => format!("(input: {{ connectionId: \"{connection}\", customerId: \"1\" }})"),
                "suppressionAdd" => "(input: { channel: EMAIL, address: \"x@example.com\" })".to_owned(),
                "suppressionRemove" => format!("(input: {{ id: \"{}\" }})", entity::id::SuppressionId::at(entity::Timestamp(1))),
                "textBudgetUpdate" => format!("(input: {{ connectionId: \"{connection}\" }})"),
                "textGenerate" => format!("(input: {{ connectionId: \"{connection}\", messages: [] }})"),
                "textGenerationCancel" => format!("(input: {{ id: \"{}\" }})", entity::id::TextId::at(entity::Timestamp(1))),
                "webhookReplay" => format!("(input: {{ id: \"{}\" }})", entity::id::WebhookDeliveryId::at(entity::Timestamp(1))),
                name if name.starts_with("connection") => format!("(input: {{ id: \"{connection}\" }})"),
                "apiTokenCreate" => "(input: { name: \"x\", scopes: [\"leads:read\"] })".to_owned(),
                "apiTokenRevoke" | "apiTokenRotate" | "apiTokenUpdate" => format!("(input: {{ id: \"{}\" }})", entity::id::TokenId::at(entity::Timestamp(1))),
                "invitationCreate" => "(input: { email: \"x@example.com\", role: \"viewer\" })".to_owned(),
                "invitationRevoke" => format!("(input: {{ id: \"{}\" }})", entity::id::InvitationId::at(entity::Timestamp(1))),
                "roleCreate" | "roleUpdate" => "(input: { key: \"mine\", name: \"x\", scopes: [\"leads:read\"] })".to_owned(),
                "roleDelete" => "(input: { key: \"mine\" })".to_owned(),
                "userRoleChange" => format!("(input: {{ id: \"{}\", role: \"viewer\" }})", entity::id::UserId::at(entity::Timestamp(1))),
                "userDeactivate" | "userReactivate" => format!("(input: {{ id: \"{}\" }})", entity::id::UserId::at(entity::Timestamp(1))),
                "tagUpdate" => format!("(input: {{ id: \"{}\", name: \"mine\" }})", scene.tag),
                _ => format!("(input: {{ id: \"{}\" }})", scene.tag),
            };
            let refused = server.graphql_as(Some(&token), &format!("mutation {{ {name}{call} {{ __typename }} }}"), json!({})).await;
            assert_eq!(unknown_field(&refused), *name);
        }
    }

    async fn a_lead_outside_is_as_one_that_is_not_there(server: &Server) {
        let scene = Scene::new(server).await;
        let token = partner(server, &["admin"], PARTNER).await;
        // The token's own event, too, is in the log.
        server.settled().await;
        let (cyd, nobody) = (&scene.outside[0], nobody());
        let before = server.data(ALL, json!({})).await;
        let removal = |name: &str| format!("mutation ($input: LeadRemovalInput!) {{ it: {name}(input: $input) {{ userErrors {{ field code message }} }} }}");
        let with = |place: &'static str, more: Value| {
            move |id: &str| {
                let mut input = more.clone();
                input[place] = json!(id);
                input
            }
        };
        let tags = |name: &str, input: &str| format!("mutation ($input: {input}!) {{ it: {name}(input: $input) {{ userErrors {{ field code message }} }} }}");
        let many = "mutation ($input: LeadsDeleteInput!) { it: leadsDelete(input: $input) { results { leadId userErrors { code message } } } }";
        let updates = "mutation ($input: LeadsUpdateInput!) { it: leadsUpdate(input: $input) { results { outcome userErrors { code message } } } }";
        let moves = "mutation ($input: LeadsStageChangeInput!) { it: leadsStageChange(input: $input) { items { stay { id } userErrors { code message } } } }";
        let consents = "mutation ($input: ConsentsRecordInput!) { it: consentsRecord(input: $input) { results { record { id } userErrors { code message } } } }";
        let engagements = "mutation ($input: EngagementsRecordInput!) { it: engagementsRecord(input: $input) { results { engagement { id } userErrors { code message } } } }";
        let conversions = "mutation ($input: ConversionsRecordInput!) { it: conversionsRecord(input: $input) { results { conversion { id } userErrors { code message } } } }";
        let cases: Vec<(String, Input)> = vec![
            (UPDATE.into(), Box::new(with("id", json!({ "firstName": "x" })))),
            (removal("leadDelete"), Box::new(with("id", json!({})))),
            (removal("leadRestore"), Box::new(with("id", json!({})))),
            (removal("leadErase"), Box::new(with("id", json!({})))),
            (many.into(), Box::new(|id| json!({ "ids": [id] }))),
            (updates.into(), Box::new(|id| json!({ "leads": [{ "id": id, "firstName": "x", "email": "free@example.com" }] }))),
            (tags("leadTagsAdd", "LeadTagsAddInput"), Box::new(with("leadId", json!({ "names": ["both"] })))),
            (tags("leadTagsRemove", "LeadTagsRemoveInput"), Box::new(with("leadId", json!({ "names": ["both"] })))),
            (TAGGED.into(), Box::new(|id| json!({ "leadIds": [id], "removeNames": ["both"] }))),
            (NOTE.into(), Box::new(with("leadId", json!({ "body": "x" })))),
            (CONSENT.into(), Box::new(with("leadId", json!({ "channel": "SMS", "state": "GRANTED" })))),
            (consents.into(), Box::new(|id| json!({ "consents": [{ "leadId": id, "channel": "SMS", "state": "GRANTED" }] }))),
            (ENGAGE.into(), Box::new(with("leadId", json!({ "type": "EMAIL_SENT" })))),
            (engagements.into(), Box::new(|id| json!({ "items": [{ "leadId": id, "type": "EMAIL_SENT" }] }))),
            (CONVERT.into(), Box::new(with("leadId", json!({ "kind": "CUSTOMER" })))),
            (conversions.into(), Box::new(|id| json!({ "items": [{ "leadId": id, "kind": "CUSTOMER" }] }))),
            (DEAL.into(), Box::new(with("leadId", json!({ "name": "x" })))),
            (MOVE.into(), Box::new(with("leadId", json!({ "stage": "LOST", "reason": "x" })))),
            (moves.into(), Box::new(|id| json!({ "items": [{ "leadId": id, "stage": "LOST", "reason": "x" }] }))),
        ];
        for (mutation, input) in &cases {
            let outside = does(server, &token, mutation, input(&cyd.lead)).await.to_string().replace(&cyd.lead, "…");
            let absent = does(server, &token, mutation, input(&nobody)).await.to_string().replace(&nobody, "…");
            assert_eq!(outside, absent, "{mutation}");
            assert!(outside.contains("NOT_FOUND"), "{mutation} answered {outside}");
        }
        let note = |name: &str, input: &str| format!("mutation ($input: {input}!) {{ it: {name}(input: $input) {{ userErrors {{ code }} }} }}");
        for (mutation, input) in [
            (note("noteUpdate", "NoteUpdateInput"), json!({ "id": cyd.note, "body": "x" })),
            (note("noteDelete", "NoteDeleteInput"), json!({ "id": cyd.note })),
        ] {
            assert_eq!(refusal(&does(server, &token, &mutation, input).await), "NOT_FOUND");
        }
        let known = json!({ "kind": "EMAIL", "value": "cyd@example.com" });
        let answer = does(server, &token, ENGAGE, json!({ "identity": known, "type": "EMAIL_SENT" })).await;
        assert_eq!(refusal(&answer), "LEAD_NOT_FOUND");
        assert_eq!(server.data(ALL, json!({})).await, before, "nothing was written");
    }

    async fn what_would_lie_outside_is_refused_and_not_written(server: &Server) {
        let scene = Scene::new(server).await;
        let token = partner(server, &["admin"], PARTNER).await;
        // The token's own event, too, is in the log.
        server.settled().await;
        let ann = &scene.inside[0];
        let before = server.data(ALL, json!({})).await;
        for (mutation, input) in [
            (CREATE, json!({ "email": "new@example.com" })),
            (CREATE, json!({ "email": "new@example.com", "source": "other" })),
            (UPSERT, json!({ "email": "new@example.com", "source": "other" })),
            (UPSERT, json!({ "email": "ann@example.com", "source": "other" })),
            (UPDATE, json!({ "id": ann.lead, "source": "other" })),
            (UPDATE, json!({ "id": ann.lead, "source": null })),
            // Identities are unique: that these are taken cannot be hidden, whose they are is.
            (CREATE, json!({ "email": "cyd@example.com", "source": "partner-x" })),
            (UPSERT, json!({ "email": "cyd@example.com", "source": "partner-x" })),
            (UPSERT, json!({ "email": "ann@example.com", "externalIds": [{ "namespace": "crm:cyd", "value": "cyd" }] })),
            (UPDATE, json!({ "id": ann.lead, "email": "cyd@example.com" })),
        ] {
            let answer = does(server, &token, mutation, input.clone()).await;
            assert_eq!((refusal(&answer), &answer["lead"], &answer["outcome"]), ("OUTSIDE_ROW_FILTER", &json!(null), &json!("REFUSED")), "{input}");
            let message = answer["userErrors"][0]["message"].as_str().unwrap();
            assert_eq!(message, "the row filter of this token does not allow it: the lead would lie outside of what the token shows", "{input}");
            assert!(!answer.to_string().contains(&scene.outside[0].lead), "{answer}");
        }
        let shared = json!({ "leadId": ann.lead, "type": "EMAIL_SENT", "dedupeKey": "key of cyd" });
        let answer = does(server, &token, ENGAGE, shared).await;
        assert_eq!((refusal(&answer), &answer["engagement"]), ("OUTSIDE_ROW_FILTER", &json!(null)));
        let shared = json!({ "leadId": ann.lead, "kind": "CUSTOMER", "dedupeKey": "key of cyd" });
        let answer = does(server, &token, CONVERT, shared).await;
        assert_eq!((refusal(&answer), &answer["conversion"]), ("OUTSIDE_ROW_FILTER", &json!(null)));
        assert_eq!(server.data(ALL, json!({})).await, before, "nothing was written");
        // Their own repeat.
        let own = json!({ "leadId": ann.lead, "type": "EMAIL_SENT", "dedupeKey": "key of ann" });
        let answer = does(server, &token, ENGAGE, own).await;
        assert_eq!((&answer["duplicate"], &answer["engagement"]["id"]), (&json!(true), &json!(ann.engagement)));
    }

    async fn what_lies_inside_is_done(server: &Server) {
        let scene = Scene::new(server).await;
        let token = partner(server, &["admin"], PARTNER).await;
        let ann = &scene.inside[0];
        let made = does(server, &token, CREATE, json!({ "email": "new@example.com", "source": "partner-x" })).await;
        assert_eq!((refusal(&made), &made["outcome"], made["lead"]["id"].is_string()), ("", &json!("CREATED"), true));
        for (mutation, input) in [
            (UPDATE, json!({ "id": ann.lead, "source": "PARTNER-X" })),
            (UPSERT, json!({ "email": "ann@example.com", "city": "Rome" })),
            (TAGGED, json!({ "leadIds": [ann.lead], "addNames": ["new"], "createMissing": true })),
            (NOTE, json!({ "leadId": ann.lead, "body": "x" })),
            (CONSENT, json!({ "leadId": ann.lead, "channel": "SMS", "state": "GRANTED" })),
            (ENGAGE, json!({ "leadId": ann.lead, "type": "EMAIL_SENT" })),
            (CONVERT, json!({ "leadId": ann.lead, "kind": "CUSTOMER" })),
            (DEAL, json!({ "leadId": ann.lead, "name": "x" })),
            (MOVE, json!({ "leadId": ann.lead, "stage": "LOST", "reason": "x" })),
        ] {
            let answer = does(server, &token, mutation, input.clone()).await;
            assert_eq!(answer["userErrors"], json!([]), "{input}: {answer}");
        }
        let removal = |name: &str| format!("mutation ($input: LeadRemovalInput!) {{ it: {name}(input: $input) {{ userErrors {{ code }} }} }}");
        for name in ["leadDelete", "leadRestore", "leadErase"] {
            let answer = does(server, &token, &removal(name), json!({ "id": ann.lead })).await;
            assert_eq!(answer["userErrors"], json!([]), "{name}");
        }
        server.settled().await;
        let erased = server.data("query ($id: ID!) { activity(filter: { leadId: $id, types: [LEAD_ERASED] }) { nodes { actor } } }", json!({ "id": ann.lead })).await;
        assert_eq!(erased["activity"]["nodes"].as_array().unwrap().len(), 1);
    }

    async fn a_batch_answers_for_each_item(server: &Server) {
        let scene = Scene::new(server).await;
        let token = partner(server, &["admin"], PARTNER).await;
        // The token's own event, too, is in the log.
        server.settled().await;
        let ([ann, bob], [cyd, _]) = (&scene.inside, &scene.outside);
        let codes = |payload: &Value, place: &str| payload[place].as_array().unwrap().iter().map(|one| refusal(one).to_owned()).collect::<Vec<_>>();
        let upsert = "mutation ($input: LeadsUpsertInput!) { it: leadsUpsert(input: $input) { results { outcome userErrors { code } } userErrors { code } } }";
        let input = json!({ "leads": [
            { "email": "a@example.com", "source": "partner-x" },
            { "email": "b@example.com", "source": "other" },
            { "email": "cyd@example.com", "source": "partner-x" },
            { "email": "ann@example.com", "source": "other" },
            // Out and back in is where it was.
            { "email": "bob@example.com", "source": "other" },
            { "email": "bob@example.com", "source": "partner-x", "city": "Rome" },
        ], "idempotencyKey": "once" });
        let outside = "OUTSIDE_ROW_FILTER";
        let expected = ["", outside, outside, outside, "", ""];
        let answer = does(server, &token, upsert, input.clone()).await;
        assert_eq!(codes(&answer, "results"), expected);
        assert_eq!(codes(&does(server, &token, upsert, input).await, "results"), expected, "the same again");
        let all = server.data("{ leads(order: { field: CREATED_AT, direction: ASC }) { nodes { email source city } } }", json!({})).await;
        let lead = |name: &str, source: &str, city: Value| json!({ "email": format!("{name}@example.com"), "source": source, "city": city });
        assert_eq!(all["leads"]["nodes"], json!([lead("ann", "partner-x", json!(null)), lead("bob", "partner-x", json!("Rome")),
            lead("cyd", "other", json!(null)), lead("dan", "partner-xy", json!(null)), lead("a", "partner-x", json!(null))]));
        let create = "mutation ($input: LeadsCreateInput!) { it: leadsCreate(input: $input) { results { userErrors { code } } } }";
        let input = json!({ "leads": [{ "email": "c@example.com" }, { "email": "d@example.com", "source": "partner-x" }] });
        assert_eq!(codes(&does(server, &token, create, input).await, "results"), [outside, ""]);

        let ids = json!([ann.lead, bob.lead, cyd.lead]);
        let staged = partner(server, &["admin"], r#"{"source":{"eq":"partner-x"},"stage":{"in":["ENGAGED","QUALIFIED"]}}"#).await;
        let moves = "mutation ($input: LeadsStageChangeInput!) { it: leadsStageChange(input: $input) { items { stay { id } userErrors { code } } } }";
        let item = |lead: &str, stage: &str| json!({ "leadId": lead, "stage": stage, "reason": "x" });
        let input = json!({ "items": [item(&ann.lead, "LOST"), item(&bob.lead, "QUALIFIED"), item(&cyd.lead, "QUALIFIED")] });
        assert_eq!(codes(&does(server, &staged, moves, input).await, "items"), [outside, "", "NOT_FOUND"]);
        let stages = server.data("query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Lead { stage stageHistory { nodes { stage } } } } }", json!({ "ids": ids })).await;
        assert_eq!((&stages["nodes"][0]["stage"], &stages["nodes"][1]["stage"]), (&json!("ENGAGED"), &json!("QUALIFIED")));
        assert_eq!(stages["nodes"][0]["stageHistory"]["nodes"].as_array().unwrap().len(), 2, "the move that was undone left no stay");

        let tagged = partner(server, &["admin"], r#"{"tags":{"any":["both"]},"source":{"eq":"partner-x"}}"#).await;
        does(server, server.admin(), TAGGED, json!({ "leadIds": [bob.lead], "addNames": ["more"], "createMissing": true })).await;
        let any = partner(server, &["admin"], r#"{"tags":{"any":["both","more"]},"source":{"eq":"partner-x"}}"#).await;
        let answer = does(server, &any, TAGGED, json!({ "leadIds": ids, "remove": [scene.tag] })).await;
        assert_eq!(codes(&answer, "results"), [outside, "", "LEAD_NOT_FOUND"]);
        let answer = does(server, &tagged, TAGGED, json!({ "leadIds": [bob.lead], "add": [scene.tag] })).await;
        assert_eq!(codes(&answer, "results"), ["LEAD_NOT_FOUND"], "it is not shown any more, so that it cannot be brought back");

        let agreed = partner(server, &["admin"], r#"{"consents":[{"channel":"EMAIL","purpose":"MARKETING"}],"source":{"eq":"partner-x"}}"#).await;
        let consents = "mutation ($input: ConsentsRecordInput!) { it: consentsRecord(input: $input) { results { userErrors { code } } } }";
        let word = |lead: &str, channel: &str, state: &str| json!({ "leadId": lead, "channel": channel, "state": state });
        let input = json!({ "consents": [word(&ann.lead, "EMAIL", "WITHDRAWN"), word(&bob.lead, "SMS", "DENIED"), word(&cyd.lead, "SMS", "DENIED")] });
        assert_eq!(codes(&does(server, &agreed, consents, input).await, "results"), [outside, "", "LEAD_NOT_FOUND"]);
        let kept = server.data("query ($id: ID!) { lead(id: $id) { consents { channel state } } }", json!({ "id": ann.lead })).await;
        assert_eq!(kept["lead"]["consents"], json!([{ "channel": "EMAIL", "state": "GRANTED" }]));
    }

    async fn what_was_done_once_is_not_told_of_a_lead_that_left(server: &Server) {
        let scene = Scene::new(server).await;
        let [ann, bob] = &scene.inside;
        let (token, twin) = (partner(server, &["admin"], PARTNER).await, partner(server, &["admin"], PARTNER).await);
        let input = json!({ "leadId": ann.lead, "type": "EMAIL_SENT", "idempotencyKey": "once" });
        let made = does(server, &token, ENGAGE, input.clone()).await;
        assert_eq!(does(server, &token, ENGAGE, input.clone()).await, made);
        // Another's key is another key.
        let others = json!({ "leadId": bob.lead, "type": "EMAIL_SENT", "idempotencyKey": "once" });
        assert_eq!(does(server, &twin, ENGAGE, others).await["userErrors"], json!([]));
        let upsert = json!({ "email": "ann@example.com", "city": "Rome", "idempotencyKey": "twice" });
        assert_eq!(does(server, &token, UPSERT, upsert.clone()).await["lead"]["id"], json!(ann.lead));
        does(server, server.admin(), UPDATE, json!({ "id": ann.lead, "source": "other" })).await;
        let again = server.graphql_as(Some(&token), ENGAGE, json!({ "input": input })).await;
        assert_eq!((code(&again), &again["data"]["it"]), ("NOT_FOUND", &json!(null)));
        assert_eq!(does(server, &token, UPSERT, upsert).await["lead"], json!(null));
    }

    async fn who_sees_a_part_makes_no_key_to_the_rest(server: &Server) {
        let filter = row_filter(server.app(), PARTNER).await.unwrap();
        let caller = Caller { scopes: Scopes::admin(), ..Caller::operator() }.with_rows(Rows::Where(filter));
        let refused = "sees a part of the leads alone";
        let scopes = ["admin".to_owned()];
        let made = create_token(server.app(), &caller, "x", &scopes, None).await;
        assert!(format!("{:?}", made.err().expect("refused")).contains(refused));
        assert!(list_tokens(server.app(), &caller).await.expect_err("refused").to_string().contains(refused));
        let id = entity::id::TokenId::at(entity::Timestamp(1));
        assert!(format!("{:?}", revoke_token(server.app(), &caller, id).await.expect_err("refused")).contains(refused));
    }

    async fn a_filter_that_is_none_is_refused(server: &Server) {
        let refused = async |json: &str| row_filter(server.app(), json).await.expect_err("refused").to_string();
        let message = refused(r#"{"sauce":{"eq":"x"}}"#).await;
        assert!(message.contains("unknown field `sauce`, expected one of `and`, `or`, `not`, `ids`, `email`"), "{message}");
        let message = refused(r#"{"custom":[{"key":"size","isSet":true}]}"#).await;
        assert!(message.starts_with("row filter: filter.custom.0: "), "{message}");
        for (empty, place) in [("{}", "filter"), ("[]", "filter"), (r#"{"source":{}}"#, "filter.source"), (r#"{"and":[]}"#, "filter.and"),
            (r#"{"or":[{"source":{"eq":"x"}},{"tags":{"none":[]}}]}"#, "filter.or.1.tags.none")] {
            let message = refused(empty).await;
            assert!(message.starts_with(&format!("row filter: {place} is empty, which hides nothing")), "{message}");
        }
        assert!(refused("nonsense").await.contains("expected a JSON object such as"));
        let one = row_filter(server.app(), r#"{ "stage": {"in":["NEW"]}, "source":{"eq":"x"} }"#).await.unwrap();
        let same = row_filter(server.app(), r#"{"source":{"eq":"x"},"stage":{"in":["NEW"]}}"#).await.unwrap();
        assert_eq!(one, same, "one form for what is the same");
    }

    async fn who_is_written_to_is_the_partners_to_see(database: &Database) {
        let server = &Server::start(database, Setup::default().setting("platforms_private_networks", "true")).await;
        let scene = Scene::new(server).await;
        let token = partner(server, &["admin"], PARTNER).await;
        // Nobody is at the other end; that does not matter to whom a message may be written.
        let connection = "mutation { it: connectionCreate(input: { platform: \"smtp\", name: \"x\", settings: { host: \"127.0.0.1\", port: 9, encryption: \"NONE\", user: \"x@example.org\" },
            secrets: { password: \"some password\" } }) { connection { id } userErrors { message } } }";
        let connection = server.data(connection, json!({})).await["it"].take();
        let connection = connection["connection"]["id"].as_str().unwrap_or_else(|| panic!("{connection}"));
        let send = "mutation ($input: MessageSendInput!) { it: messageSend(input: $input) { message { id } userErrors { field code message } } }";
        let base = json!({ "connectionId": connection, "purpose": "TRANSACTIONAL", "content": { "email": { "subject": "x", "text": "x" } } });
        let with = |more: Value| {
            let mut input = base.clone();
            input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            input
        };
        let refused = |payload: &Value| refusal(payload).to_owned();
        let outside = does(server, &token, send, with(json!({ "leadId": scene.outside[0].lead }))).await;
        let absent = does(server, &token, send, with(json!({ "leadId": nobody() }))).await;
        assert_eq!((refused(&outside), refused(&absent)), ("LEAD_NOT_FOUND".to_owned(), "LEAD_NOT_FOUND".to_owned()));
        // By the address alone: somebody else's lead and nobody's are the same.
        let outside = does(server, &token, send, with(json!({ "to": "cyd@example.com" }))).await;
        let absent = does(server, &token, send, with(json!({ "to": "stranger@example.com" }))).await;
        assert_eq!((refused(&outside), &outside), ("LEAD_NOT_FOUND".to_owned(), &absent));
        let inside = does(server, &token, send, with(json!({ "to": "ann@example.com" }))).await;
        assert_eq!(inside["userErrors"], json!([]), "{inside}");
        // What answers a message of somebody else's lead is as what answers none.
        let theirs = does(server, server.admin(), send, with(json!({ "leadId": scene.outside[0].lead }))).await;
        let theirs = theirs["message"]["id"].as_str().unwrap();
        let answer = does(server, &token, send, with(json!({ "leadId": scene.inside[0].lead, "inReplyTo": theirs }))).await;
        assert_eq!(refused(&answer), "NOT_FOUND", "{answer}");
        let resend = "mutation ($input: MessageResendInput!) { it: messageResend(input: $input) { message { id } userErrors { code message } } }";
        let again = does(server, &token, resend, json!({ "id": theirs })).await;
        assert_eq!(refused(&again), "NOT_FOUND", "{again}");
    }
}
