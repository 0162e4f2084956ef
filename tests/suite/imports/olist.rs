//! Real leads of the kind that the Olist data set has: month/day/year, leads without an origin, none with an e-mail
//! address; and the deals that were won with some of them. The rows are made up.

use serde_json::{Value, json};

use super::{ask_for, import, pairs, with_upload, write};
use crate::support::{Database, Server, Setup, command};

const LEADS: &str = "\
mql_id,first_contact_date,origin
4b95ccd7ac7646f6e285955b5a869851,5/19/2018,paid_search
2aa6aabe8ed89b0050116ed28a34afdf,4/2/2018,organic_search
869859126102e876fdcdc9f3c1ee17ae,2/2/2018,direct_traffic
c7a30d2255f4357278293ac8207c9a92,5/28/2018,paid_search
31fc079bc508fefb0c65b868c8297dc4,1/19/2018,paid_search
1c3008829ae3a5f8ff150faf73ef90c2,5/19/2018,
587a5bc0a06c65f136fdfc4b70259ef9,2/12/2018,social
d4e9ada71509bf424fe7301bd7bf6fe9,1/18/2018,unknown
b078f43ef19a7d8703c76e6e89dae74d,1/19/2018,
a2b330b8c52355b67290b2645baf05a7,1/20/2018,unknown
cfa459c52a3ced395266c342515e5e97,2/16/2018,social
78d0cfc46ae717e164f8b9f2133dd3e5,5/14/2018,
f3c4256e3b1900fa0252e4af37e1c823,3/8/2018,social
05c72616d744d14db3b81c76fd9d63e4,2/23/2018,referral
2271a6a9c1f37af4b890f85d96e5e194,2/3/2018,organic_search
0bcc80e6aed3ce12d2c8f438e181022e,4/10/2018,organic_search
7ba06c65c6e096c884214165d0e75b33,5/3/2018,unknown
e3cc22e289cf0fd476b5d3acc9c56ef8,2/16/2018,email
a6b57391449f1001ea29c151955afe68,4/2/2018,paid_search
c88e508efbdbcfab1027bdde4e7c842c,1/25/2018,organic_search
8941d58900d7748bd1cf9d49169c1d52,5/19/2018,unknown
2282cf3f4ab431d8df209b1f7158c3d6,3/11/2018,organic_search
1176ab2b330b2a749cadca73df59033b,3/20/2018,organic_search
a94b0860b59c7cb4b77fc84534bbb946,1/9/2018,direct_traffic
cc371b27a1a70747ee5ea874cdf45726,4/23/2018,social
3aeedcc015c411d3520e4e5d6af620f9,5/22/2018,organic_search
9bae99a700bc1fd799d8978ef04e1776,4/10/2018,paid_search
";

const DEALS: &str = "\
mql_id,seller_id,won_date,business_segment,lead_type,lead_behaviour_profile,business_type
c7a30d2255f4357278293ac8207c9a92,ef7185b9e4a8922a95c4f9415e0c1370,6/5/2018 12:26,home_appliances,online_medium,,reseller
31fc079bc508fefb0c65b868c8297dc4,8040f227962224c4412d5ece59ce00d5,2/10/2018 16:52,home_appliances,online_medium,cat,reseller
78d0cfc46ae717e164f8b9f2133dd3e5,30bf51688c8ba330816d95add1128acb,6/25/2018 13:29,health_beauty,online_medium,wolf,reseller
2271a6a9c1f37af4b890f85d96e5e194,a1b04b1bb202627a29294b371a190352,3/19/2018 12:33,health_beauty,online_medium,wolf,reseller
7ba06c65c6e096c884214165d0e75b33,94660c7d0d4859c5593f21e38adead2b,6/4/2018 16:26,home_appliances,online_medium,wolf,reseller
1176ab2b330b2a749cadca73df59033b,2b0667c0d93e8c607a5163d154df0c14,4/16/2018 17:51,health_beauty,online_medium,cat,reseller
cc371b27a1a70747ee5ea874cdf45726,3003c70601e5f0fa30a62263cbd3e705,5/22/2018 9:03,car_accessories,online_medium,,reseller
";

/// Leads and customers among them, by origin.
const FIGURES: [(Option<&str>, i64, i64); 8] = [
    (Some("organic_search"), 7, 2),
    (Some("paid_search"), 5, 2),
    (Some("social"), 4, 1),
    (Some("unknown"), 4, 1),
    (Some("direct_traffic"), 2, 0),
    (Some("email"), 1, 0),
    (Some("referral"), 1, 0),
    (None, 3, 1),
];

async fn figures_are_right(server: &Server) {
    server.settled().await;
    let query = "query ($all: LeadFilter!, $won: LeadFilter!) {
        all: leadsCount(filter: $all) { count } won: leadsCount(filter: $won) { count } }";
    let counted = async |filter: Value| {
        let won = json!({ "and": [filter, { "stage": { "in": ["CUSTOMER"] } }] });
        let counted = server.data(query, json!({ "all": filter, "won": won })).await;
        let number = |name: &str| counted[name]["count"].as_i64().expect("a number");
        (number("all"), number("won"))
    };
    for (origin, leads, customers) in FIGURES {
        let filter = match origin {
            Some(origin) => json!({ "source": { "eq": origin } }),
            None => json!({ "source": { "isSet": false } }),
        };
        assert_eq!(counted(filter).await, (leads, customers), "{origin:?}");
    }
    assert_eq!(counted(json!({})).await, (27, 7));
    let reports = "{ funnelReport(range: { from: \"2018-01-01\", to: \"2018-12-31\" }) { current { leads stages { stage reached } } }
        sourceReport(range: { from: \"2018-01-01\", to: \"2018-12-31\" }) { current { sources { source leads customers } total { leads customers } } } }";
    let told = server.data(reports, json!({})).await;
    let (funnel, sources) = (&told["funnelReport"]["current"], &told["sourceReport"]["current"]);
    assert_eq!(
        (&funnel["leads"], &funnel["stages"][5]["reached"]),
        (&json!(27), &json!(7)),
        "{funnel}"
    );
    assert_eq!(sources["total"], json!({ "leads": 27, "customers": 7 }));
    for (origin, leads, customers) in FIGURES {
        let row = json!({ "source": origin, "leads": leads, "customers": customers });
        assert!(
            sources["sources"].as_array().expect("a list").contains(&row),
            "{row} {sources}"
        );
    }
    let first = server
        .data(
            "{ leads(first: 1, order: { field: CREATED_AT, direction: ASC }) { nodes {
                createdAt email identities { kind namespace value } } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        first["leads"]["nodes"],
        json!([{
            "createdAt": "2018-01-09T00:00:00Z", "email": null,
            "identities": [{ "kind": "EXTERNAL", "namespace": "olist", "value": "a94b0860b59c7cb4b77fc84534bbb946" }],
        }])
    );
    let won = server
        .data(
            "{ leads(filter: { stage: { in: [CUSTOMER] } }) { nodes {
                conversions { kind occurredAt value { amount } metadata } } } }",
            json!({}),
        )
        .await;
    let won: Vec<&Value> = won["leads"]["nodes"]
        .as_array()
        .expect("a list")
        .iter()
        .flat_map(|lead| lead["conversions"].as_array().expect("a list"))
        .collect();
    assert_eq!(won.len(), 7);
    let deal = json!({
        "kind": "CUSTOMER", "occurredAt": "2018-06-05T12:26:00Z", "value": null, "metadata": { "segment": "home_appliances" },
    });
    assert!(won.contains(&&deal), "{won:?}");
}

on_both! {
    async fn leads_and_deals_come_in_by_the_command_line(database: &Database) {
        let leads = write(database, "leads.csv", LEADS).display().to_string();
        let deals = write(database, "deals.csv", DEALS).display().to_string();
        let import_leads = [
            "import", "leads", &leads, "--namespace", "olist",
            "--map", "external_id=mql_id,created_at=first_contact_date,source=origin",
        ];
        let import_deals = [
            "import", "conversions", &deals, "--namespace", "olist", "--default", "kind=CUSTOMER",
            "--map", "external_id=mql_id,occurred_at=won_date,metadata.segment=business_segment",
        ];
        let said = command(database, &import_leads);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
        assert!(said.out.starts_with("27 rows: 27 leads created, 0 updated, 0 unchanged, 0 rejected\n"), "{said:?}");
        let said = command(database, &import_deals);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.out.starts_with("7 rows: 7 conversions created, 0 updated, 0 unchanged, 0 rejected\n"), "{said:?}");
        assert_eq!(
            said.err,
            "not imported, since no target takes them: columns `seller_id`, `lead_type`, `lead_behaviour_profile`, `business_type`\n"
        );
        let again = command(database, &import_leads);
        assert_eq!(again.out, "27 rows: 0 leads created, 0 updated, 27 unchanged, 0 rejected\n", "{again:?}");
        let again = command(database, &import_deals);
        assert_eq!(again.out, "7 rows: 0 conversions created, 0 updated, 7 unchanged, 0 rejected\n", "{again:?}");
        let server = Server::start(database, Setup::default()).await;
        figures_are_right(&server).await;
    }

    async fn leads_and_deals_come_in_by_graphql(server: &Server) {
        let map = pairs("target", "column", &[
            ("external_id", "mql_id"), ("created_at", "first_contact_date"), ("source", "origin"),
        ]);
        let options = json!({ "map": map, "namespace": "olist" });
        let input = with_upload(server, "leads.csv", LEADS, options.clone()).await;
        let preview = ask_for(server, "leadsImportPreview", input).await["preview"].take();
        assert_eq!((&preview["good"], &preview["unknownColumns"]), (&json!(27), &json!([])));
        let done = import(server, "leadsImport", "leads.csv", LEADS, options.clone()).await;
        assert_eq!(done.figures(), [27, 0, 0, 0]);
        let deals = json!({
            "map": pairs("target", "column", &[
                ("external_id", "mql_id"), ("occurred_at", "won_date"), ("metadata.segment", "business_segment"),
            ]),
            "defaults": pairs("target", "value", &[("kind", "CUSTOMER")]),
            "namespace": "olist",
        });
        let done = import(server, "conversionsImport", "deals.csv", DEALS, deals.clone()).await;
        assert_eq!(done.figures(), [7, 0, 0, 0]);
        let again = import(server, "leadsImport", "leads.csv", LEADS, options).await;
        assert_eq!(again.figures(), [0, 0, 27, 0]);
        let again = import(server, "conversionsImport", "deals.csv", DEALS, deals).await;
        assert_eq!(again.figures(), [0, 0, 7, 0]);
        figures_are_right(server).await;
    }
}
