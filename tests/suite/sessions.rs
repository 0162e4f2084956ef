//! Users sign in and out: tokens, cookies, refreshes, limits of guessing, and what ends a session.

use leadline::identity::user::Profile;
use leadline::identity::{Caller, Password, account};
use reqwest::header::{HeaderMap, SET_COOKIE};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use crate::support::{Database, Server, Setup, code, unknown_field, until};

pub(crate) const PASSWORD: &str = "correct horse battery";

const SIGN_IN: &str = "mutation ($input: SignInInput!) { signIn(input: $input) {
    user { id email role { key } }
    session { id device address current }
    tokens { accessToken refreshToken accessTokenExpiresAt refreshTokenExpiresAt }
    secondFactor { challenge }
    userErrors { field message code }
} }";
const REFRESH: &str = "mutation ($input: SessionRefreshInput!) { sessionRefresh(input: $input) {
    user { email }
    tokens { accessToken refreshToken }
    userErrors { code }
} }";
const ME: &str = "{ me { email sessions { id current } } }";
const NOON: &str = "2026-03-01T12:00:00Z";

/// Makes a user who may sign in.
pub(crate) async fn user(server: &Server, email: &str, role: &str) -> String {
    let (operator, password) = (Caller::operator(), Password::new(PASSWORD.to_owned()));
    let made = account::create(
        server.app(),
        &operator,
        email,
        Profile::default(),
        role,
        &password,
    );
    made.await
        .unwrap_or_else(|error| panic!("no user {email}: {error:?}"))
        .id
        .to_string()
}

pub(crate) async fn sign_in(server: &Server, email: &str, password: &str) -> Value {
    let input = json!({ "email": email, "password": password });
    server.graphql_as(None, SIGN_IN, json!({ "input": input })).await
}

/// The access and the refresh token of somebody who signs in.
pub(crate) async fn tokens(server: &Server, email: &str) -> (String, String) {
    let mut answer = sign_in(server, email, PASSWORD).await;
    let tokens = answer["data"]["signIn"]["tokens"].take();
    assert!(tokens.is_object(), "{answer}");
    pair(&tokens)
}

fn pair(tokens: &Value) -> (String, String) {
    let text = |key: &str| {
        tokens[key]
            .as_str()
            .unwrap_or_else(|| panic!("{tokens}"))
            .to_owned()
    };
    (text("accessToken"), text("refreshToken"))
}

async fn refresh(server: &Server, token: &str) -> Value {
    server
        .graphql_as(None, REFRESH, json!({ "input": { "refreshToken": token } }))
        .await
}

async fn refreshed(server: &Server, token: &str) -> (String, String) {
    let answer = refresh(server, token).await;
    pair(&answer["data"]["sessionRefresh"]["tokens"])
}

/// A request of a browser: cookies as they were set, and the page that asks.
async fn browse(
    server: &Server,
    cookies: &str,
    page: Option<&str>,
    query: &str,
    variables: Value,
) -> (u16, HeaderMap, Value) {
    let mut request = server
        .http()
        .post(server.url("/graphql"))
        .json(&json!({ "query": query, "variables": variables }));
    if !cookies.is_empty() {
        request = request.header("cookie", cookies);
    }
    if let Some(page) = page {
        request = request.header("origin", page);
    }
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.json().await.expect("JSON"))
}

/// What a browser sends back of what was set.
fn kept(headers: &HeaderMap) -> String {
    let pairs: Vec<&str> = headers
        .get_all(SET_COOKIE)
        .iter()
        .map(|cookie| cookie.to_str().expect("text").split(';').next().expect("a pair"))
        .collect();
    pairs.join("; ")
}

on_both! {
    async fn a_user_signs_in_and_is_who_they_are(server: &Server) {
        user(server, "ada@example.com", "viewer").await;
        let answer = sign_in(server, " Ada@Example.com", PASSWORD).await;
        let signed_in = &answer["data"]["signIn"];
        assert_eq!(signed_in["userErrors"], json!([]), "{answer}");
        assert_eq!(signed_in["user"]["role"]["key"], "viewer");
        assert_eq!(signed_in["session"]["address"], "127.0.0.1");
        let (access, _) = pair(&signed_in["tokens"]);
        let me = server.data_as(&access, ME, json!({})).await;
        assert_eq!(me["me"]["email"], "ada@example.com");
        assert_eq!(me["me"]["sessions"], json!([{ "id": signed_in["session"]["id"], "current": true }]));
        // What the role allows, and no more.
        server.data_as(&access, "{ leadsCount { count } }", json!({})).await;
        let create = "mutation { leadCreate(input: { email: \"a@example.com\" }) { lead { id } } }";
        assert_eq!(unknown_field(&server.graphql_as(Some(&access), create, json!({})).await), "leadCreate");
        assert_eq!(unknown_field(&server.graphql_as(Some(&access), "{ users { nodes { id } } }", json!({})).await), "users");
        // An API token is nobody in person.
        assert_eq!(server.data("{ me { email } }", json!({})).await["me"], Value::Null);
    }

    async fn nobody_learns_which_addresses_have_an_account(server: &Server) {
        user(server, "ada@example.com", "viewer").await;
        let known = sign_in(server, "ada@example.com", "another password").await;
        let unknown = sign_in(server, "eve@example.com", "another password").await;
        assert_eq!(known["data"]["signIn"]["userErrors"][0]["code"], "INVALID_CREDENTIALS", "{known}");
        assert_eq!(known["data"], unknown["data"]);
    }

    async fn an_access_token_lives_a_quarter_of_an_hour(database: &Database) {
        let server = Server::start(database, Setup::default().at(NOON)).await;
        user(&server, "ada@example.com", "viewer").await;
        let (access, _) = tokens(&server, "ada@example.com").await;
        server.set_time("2026-03-01T12:14:59Z");
        server.data_as(&access, ME, json!({})).await;
        server.set_time("2026-03-01T12:15:06Z");
        let (status, late) = server.post(Some(&access), ME, json!({})).await;
        assert_eq!((status, code(&late)), (401, "UNAUTHENTICATED"));
        assert!(late["errors"][0]["message"].as_str().is_some_and(|text| text.contains("has expired")), "{late}");
        // Changed, cut, signed by nobody.
        let mut parts: Vec<&str> = access.split('.').collect();
        let none = "eyJhbGciOiJub25lIn0";
        let (body, signature) = (parts[1].to_owned(), parts[2].to_owned());
        for wrong in [
            format!("{}.{body}.", parts[0]),
            format!("{none}.{body}."),
            format!("{none}.{body}.{signature}"),
            access[..access.len() - 2].to_owned(),
        ] {
            assert_eq!(server.post(Some(&wrong), ME, json!({})).await.0, 401, "{wrong}");
        }
        parts.clear();
        server.stop().await;
    }

    async fn a_refresh_token_is_good_once_and_its_copy_ends_the_session(database: &Database) {
        let server = Server::start(database, Setup::default().at(NOON)).await;
        user(&server, "ada@example.com", "viewer").await;
        let (_, first) = tokens(&server, "ada@example.com").await;
        let (access, second) = refreshed(&server, &first).await;
        // The answer was lost: the parent of the newest, at once.
        server.set_time("2026-03-01T12:00:08Z");
        let (_, twin) = refreshed(&server, &first).await;
        assert_ne!(twin, second);
        // The newest goes on.
        let (_, third) = refreshed(&server, &second).await;
        server.data_as(&access, ME, json!({})).await;
        let mut socket = server.socket(&access).await;
        // Somebody else has the first one: all of the session is over.
        server.set_time("2026-03-01T12:00:30Z");
        let reused = refresh(&server, &first).await;
        assert_eq!(code(&reused), "UNAUTHENTICATED", "{reused}");
        assert_eq!(socket.closed().await, 4403);
        assert_eq!(code(&refresh(&server, &third).await), "UNAUTHENTICATED");
        until("the access token is good no more", async || {
            server.post(Some(&access), ME, json!({})).await.0 == 401
        })
        .await;
        server.stop().await;
    }

    async fn the_parent_has_its_moment_alone(database: &Database) {
        let server = Server::start(database, Setup::default().at(NOON)).await;
        user(&server, "ada@example.com", "viewer").await;
        let (_, first) = tokens(&server, "ada@example.com").await;
        let (_, second) = refreshed(&server, &first).await;
        server.set_time("2026-03-01T12:00:11Z");
        assert_eq!(code(&refresh(&server, &first).await), "UNAUTHENTICATED", "too late");
        assert_eq!(code(&refresh(&server, &second).await), "UNAUTHENTICATED", "over with the rest");
        server.stop().await;
    }

    async fn refreshes_of_many_tabs_at_once_keep_the_session(server: &Server) {
        user(server, "ada@example.com", "viewer").await;
        let (_, token) = tokens(server, "ada@example.com").await;
        let all = futures_util::future::join_all((0..8).map(|_| refresh(server, &token))).await;
        for answer in &all {
            pair(&answer["data"]["sessionRefresh"]["tokens"]);
        }
        let (access, _) = pair(&all[7]["data"]["sessionRefresh"]["tokens"]);
        let me = server.data_as(&access, ME, json!({})).await;
        assert_eq!(me["me"]["sessions"].as_array().map(Vec::len), Some(1));
    }

    async fn a_session_that_nobody_refreshes_ends(database: &Database) {
        let server = Server::start(database, Setup::default().at(NOON).setting("session_days", "2")).await;
        user(&server, "ada@example.com", "viewer").await;
        let (_, token) = tokens(&server, "ada@example.com").await;
        server.set_time("2026-03-03T11:59:00Z");
        let (_, token) = refreshed(&server, &token).await;
        server.set_time("2026-03-05T12:00:00Z");
        assert_eq!(code(&refresh(&server, &token).await), "UNAUTHENTICATED");
        server.stop().await;
    }

    async fn guesses_are_few_whether_there_is_an_account_or_not(database: &Database) {
        let server = Server::start(database, Setup::default().at(NOON)).await;
        user(&server, "ada@example.com", "viewer").await;
        for email in ["ada@example.com", "eve@example.com"] {
            for n in 0..10 {
                let wrong = sign_in(&server, email, "another password").await;
                assert_eq!(wrong["data"]["signIn"]["userErrors"][0]["code"], "INVALID_CREDENTIALS", "{n}: {wrong}");
            }
            let blocked = sign_in(&server, email, PASSWORD).await;
            assert_eq!(code(&blocked), "RATE_LIMITED", "{blocked}");
            assert!(blocked["errors"][0]["extensions"]["retryAfterSeconds"].as_u64().is_some_and(|seconds| seconds > 800), "{blocked}");
        }
        server.set_time("2026-03-01T12:15:02Z");
        // The server believes for ten seconds that somebody is blocked.
        until("the block is over", async || {
            sign_in(&server, "ada@example.com", PASSWORD).await["data"]["signIn"]["tokens"].is_object()
        })
        .await;
        server.stop().await;
    }

    async fn who_guesses_many_accounts_is_stopped_by_their_address(database: &Database) {
        let server = Server::start(database, Setup::default().at(NOON)).await;
        user(&server, "ada@example.com", "viewer").await;
        let mut refused = 0;
        for n in 0..55 {
            let answer = sign_in(&server, &format!("guess{n}@example.com"), "another password").await;
            if answer["errors"].is_array() {
                assert_eq!(code(&answer), "RATE_LIMITED");
                refused += 1;
            }
        }
        assert_eq!(refused, 5);
        assert_eq!(code(&sign_in(&server, "ada@example.com", PASSWORD).await), "RATE_LIMITED");
        server.stop().await;
    }

    async fn right_passwords_never_block_anybody(server: &Server) {
        user(server, "ada@example.com", "viewer").await;
        for _ in 0..3 {
            for _ in 0..4 {
                sign_in(server, "ada@example.com", "another password").await;
            }
            tokens(server, "ada@example.com").await;
        }
    }

    async fn a_browser_is_signed_in_by_cookies(server: &Server) {
        user(server, "ada@example.com", "viewer").await;
        let input = json!({ "email": "ada@example.com", "password": PASSWORD, "transport": "COOKIE" });
        let (_, headers, answer) = browse(server, "", None, SIGN_IN, json!({ "input": input })).await;
        assert_eq!(answer["data"]["signIn"]["tokens"], Value::Null, "no script reads them: {answer}");
        let set: Vec<&str> = headers.get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().expect("text")).collect();
        assert_eq!(set.len(), 2, "{set:?}");
        for cookie in &set {
            assert!(cookie.contains("; HttpOnly; SameSite=Lax") && !cookie.contains("Secure"), "on loopback: {cookie}");
        }
        assert!(set[1].starts_with("leadline_refresh=") && set[1].contains("Path=/graphql;"), "{set:?}");
        let cookies = kept(&headers);
        let own = format!("http://{}", server.address());
        for page in [None, Some(own.as_str())] {
            let (_, _, answer) = browse(server, &cookies, page, ME, json!({})).await;
            assert_eq!(answer["data"]["me"]["email"], "ada@example.com", "{answer}");
        }
        // A page of somebody else's.
        let (status, _, answer) = browse(server, &cookies, Some("https://evil.example"), ME, json!({})).await;
        assert_eq!((status, code(&answer)), (403, "FORBIDDEN"));
        // The refresh token stands in its cookie alone.
        let (_, headers, answer) = browse(server, &cookies, None, REFRESH, json!({ "input": {} })).await;
        assert_eq!(answer["data"]["sessionRefresh"]["user"]["email"], "ada@example.com", "{answer}");
        let newer = kept(&headers);
        assert_ne!(newer, cookies);
        // An access cookie that is good no more does not stand in the way of the refresh.
        let stale = newer.replacen("leadline_access=ey", "leadline_access=ex", 1);
        let (_, headers, answer) = browse(server, &stale, None, REFRESH, json!({ "input": {} })).await;
        assert_eq!(answer["data"]["sessionRefresh"]["user"]["email"], "ada@example.com", "{answer}");
        let newer = kept(&headers);
        let (_, headers, answer) = browse(server, &newer, None, "mutation { signOut { signedOut } }", json!({})).await;
        assert_eq!(answer["data"]["signOut"]["signedOut"], true, "{answer}");
        assert!(kept(&headers).contains("leadline_access=;"), "{headers:?}");
        let (_, _, answer) = browse(server, &newer, None, REFRESH, json!({ "input": {} })).await;
        assert_eq!(code(&answer), "UNAUTHENTICATED");
    }

    async fn cookies_are_for_encrypted_connections_off_loopback(database: &Database) {
        let server = Server::start(database, Setup::default().setting("public_url", "https://leads.example.com")).await;
        user(&server, "ada@example.com", "viewer").await;
        let input = json!({ "email": "ada@example.com", "password": PASSWORD, "transport": "COOKIE" });
        let (_, headers, _) = browse(&server, "", None, SIGN_IN, json!({ "input": input })).await;
        for cookie in headers.get_all(SET_COOKIE) {
            assert!(cookie.to_str().expect("text").ends_with("; Secure"), "{cookie:?}");
        }
        let cookies = kept(&headers);
        let (_, _, answer) = browse(&server, &cookies, Some("https://leads.example.com"), ME, json!({})).await;
        assert_eq!(answer["data"]["me"]["email"], "ada@example.com", "{answer}");
        server.stop().await;
    }

    async fn sessions_are_listed_and_revoked_and_their_sockets_closed(server: &Server) {
        user(server, "ada@example.com", "user").await;
        user(server, "bob@example.com", "viewer").await;
        let (here, _) = tokens(server, "ada@example.com").await;
        let (there, _) = tokens(server, "ada@example.com").await;
        let (bob, _) = tokens(server, "bob@example.com").await;
        let sessions = server.data_as(&here, ME, json!({})).await["me"]["sessions"].clone();
        let other = sessions.as_array().expect("a list").iter().find(|session| session["current"] == false);
        let other = &other.expect("the other device")["id"];
        let mut socket = server.socket(&there).await;
        let revoke = "mutation ($id: ID!) { sessionRevoke(input: { id: $id }) { session { id } userErrors { code } } }";
        let refused = server.data_as(&bob, revoke, json!({ "id": other })).await;
        assert_eq!(refused["sessionRevoke"]["userErrors"][0]["code"], "NOT_FOUND", "others' are not there: {refused}");
        let done = server.data_as(&here, revoke, json!({ "id": other })).await;
        assert_eq!(done["sessionRevoke"]["session"]["id"], *other, "{done}");
        assert_eq!(socket.closed().await, 4403);
        assert_eq!(server.post(Some(&there), ME, json!({})).await.0, 401);
        server.data_as(&here, ME, json!({})).await;
        let again = server.data_as(&here, revoke, json!({ "id": other })).await;
        assert_eq!(again["sessionRevoke"]["userErrors"][0]["code"], "NOT_FOUND");
    }

    async fn who_is_shut_out_is_out_on_every_server(database: &Database) {
        let one = Server::start(database, Setup::default()).await;
        let two = Server::start(database, Setup::default().without_work()).await;
        let id = user(&one, "ada@example.com", "viewer").await;
        let (access, refresh_token) = tokens(&one, "ada@example.com").await;
        two.data_as(&access, ME, json!({})).await;
        let mut socket = two.socket(&access).await;
        let deactivate = "mutation ($id: ID!) { userDeactivate(input: { id: $id }) { user { deactivatedAt } userErrors { code } } }";
        let begun = std::time::Instant::now();
        let done = one.data(deactivate, json!({ "id": id })).await;
        assert!(done["userDeactivate"]["user"]["deactivatedAt"].is_string(), "{done}");
        assert_eq!(socket.closed().await, 4403);
        assert!(begun.elapsed().as_secs_f64() < 1.0, "{:?}", begun.elapsed());
        for server in [&one, &two] {
            until("the token is refused", async || server.post(Some(&access), ME, json!({})).await.0 == 401).await;
            assert_eq!(code(&refresh(server, &refresh_token).await), "UNAUTHENTICATED");
        }
        let refused = sign_in(&two, "ada@example.com", PASSWORD).await;
        assert_eq!(refused["data"]["signIn"]["userErrors"][0]["code"], "INVALID_CREDENTIALS");
        let reactivate = "mutation ($id: ID!) { userReactivate(input: { id: $id }) { user { id } userErrors { code } } }";
        one.data(reactivate, json!({ "id": id })).await;
        tokens(&two, "ada@example.com").await;
        assert_eq!(two.post(Some(&access), ME, json!({})).await.0, 401, "what ended stays ended");
        one.stop().await;
        two.stop().await;
    }

    async fn another_role_holds_at_once_and_closes_sockets(server: &Server) {
        let id = user(server, "ada@example.com", "user").await;
        let (access, _) = tokens(server, "ada@example.com").await;
        let mut socket = server.socket(&access).await;
        let change = "mutation ($id: ID!, $role: String!) { userRoleChange(input: { id: $id, role: $role }) { user { role { key } } userErrors { code } } }";
        let done = server.data(change, json!({ "id": id, "role": "viewer" })).await;
        assert_eq!(done["userRoleChange"]["user"]["role"]["key"], "viewer", "{done}");
        assert_eq!(socket.closed().await, 4403);
        let create = "mutation { leadCreate(input: { email: \"a@example.com\" }) { lead { id } } }";
        until("the old role is forgotten", async || {
            let answer = server.graphql_as(Some(&access), create, json!({})).await;
            answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        })
        .await;
        // A change of the name closes nothing.
        let mut socket = server.socket(&access).await;
        server.data_as(&access, "mutation { profileUpdate(input: { name: \"Ada\" }) { user { name } } }", json!({})).await;
        let mut feed = socket.subscribe("subscription { leadChanged { event } }", json!({})).await;
        server.data(create, json!({})).await;
        assert_eq!(feed.data().await["leadChanged"]["event"], "LEAD_CREATED");
    }

    async fn who_is_changed_while_a_password_is_hashed_is_not_let_in_by_what_was(database: &Database) {
        // Hashing takes its time here.
        let server = Server::start(database, Setup::default().setting("password_memory", "400MiB")).await;
        let id = user(&server, "ada@example.com", "viewer").await;
        let other = user(&server, "bob@example.com", "viewer").await;
        let hash = async |id: &str| {
            let id: entity::id::UserId = id.parse().unwrap();
            let found = entity::user::Entity::find_by_id(id).one(server.app().db().read()).await.unwrap();
            found.unwrap().password_hash
        };
        let bobs = hash(&other).await;
        let entering = tokio::spawn({
            let (http, address) = (server.http().clone(), server.address());
            async move {
                let input = json!({ "input": { "email": "ada@example.com", "password": PASSWORD } });
                crate::support::ask(&http, address, None, SIGN_IN, input).await.1
            }
        });
        // Read, and not yet compared.
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        assert!(!entering.is_finished(), "hashing takes longer than that");
        let changed = entity::user::Entity::update_many()
            .col_expr(entity::user::Column::PasswordHash, bobs.into())
            .filter(entity::user::Column::Id.eq(id.parse::<entity::id::UserId>().unwrap()))
            .exec(server.app().db().write())
            .await
            .unwrap();
        assert_eq!(changed.rows_affected, 1);
        let answer = entering.await.unwrap();
        assert_eq!(answer["data"]["signIn"]["userErrors"][0]["code"], "INVALID_CREDENTIALS", "{answer}");
        server.stop().await;
    }

    async fn who_is_not_looked_at_has_not_guessed(database: &Database) {
        let server = Server::start(database, Setup::default()).await;
        const PEOPLE: usize = 70;
        for n in 0..PEOPLE {
            user(&server, &format!("a{n}@example.com"), "viewer").await;
        }
        // Of people of one office, rightly and at once, there are more than have a place.
        let all = (0..PEOPLE).map(|n| {
            let server = &server;
            async move { sign_in(server, &format!("a{n}@example.com"), PASSWORD).await }
        });
        let answers = futures_util::future::join_all(all).await;
        let refused: Vec<&str> = answers.iter().filter_map(|answer| answer["errors"][0]["message"].as_str()).collect();
        assert!(!refused.is_empty(), "all found a place");
        assert!(refused.iter().all(|message| message.starts_with("too many sign-ins at the moment")), "{refused:?}");
        for n in 0..3 {
            tokens(&server, &format!("a{n}@example.com")).await;
        }
        server.stop().await;
    }

    async fn a_session_is_ended_by_who_may_do_as_much(server: &Server) {
        user(server, "ada@example.com", "admin").await;
        user(server, "bob@example.com", "viewer").await;
        let manager = server.token(&["users:write", "leads:read", "engagement:read", "lifecycle:read", "scoring:read", "journeys:read",
            "events:read", "jobs:read", "commerce:read", "audiences:read", "messages:read", "content:read", "revenue:read"]).await;
        let revoke = "mutation ($id: ID!) { sessionRevoke(input: { id: $id }) { session { id } userErrors { code } } }";
        for (email, wanted) in [("ada@example.com", json!([{ "code": "NOT_FOUND" }])), ("bob@example.com", json!([]))] {
            let id = sign_in(server, email, PASSWORD).await["data"]["signIn"]["session"]["id"].clone();
            let answer = server.data_as(&manager, revoke, json!({ "id": id })).await;
            assert_eq!(answer["sessionRevoke"]["userErrors"], wanted, "{email}");
        }
    }

    async fn administrators_do_not_shut_each_other_out_at_once(server: &Server) {
        let deactivate = "mutation ($id: ID!) { userDeactivate(input: { id: $id }) { userErrors { code } } }";
        let (ada, bob) = (user(server, "ada@example.com", "admin").await, user(server, "bob@example.com", "admin").await);
        let reactivate = "mutation ($id: ID!) { userReactivate(input: { id: $id }) { userErrors { code } } }";
        for _ in 0..5 {
            let (one, two) = tokio::join!(
                server.data(deactivate, json!({ "id": ada })),
                server.data(deactivate, json!({ "id": bob }))
            );
            let codes = [&one, &two].map(|answer| answer["userDeactivate"]["userErrors"][0]["code"].clone());
            assert!(codes.contains(&json!("LAST_ADMIN")) && codes.contains(&Value::Null), "{codes:?}");
            for id in [&ada, &bob] {
                server.data(reactivate, json!({ "id": id })).await;
            }
        }
    }

    async fn a_changed_password_makes_other_ways_in_void(server: &Server) {
        user(server, "ada@example.com", "viewer").await;
        let (access, _) = tokens(server, "ada@example.com").await;
        let forgot = "mutation { passwordForgot(input: { email: \"ada@example.com\" }) { userErrors { code } } }";
        server.graphql_as(None, forgot, json!({})).await;
        let codes = async || {
            let db = server.app().db().read();
            entity::one_time_code::Entity::find().all(db).await.unwrap().len()
        };
        let before = codes().await;
        let change = "mutation ($input: PasswordChangeInput!) { passwordChange(input: $input) { userErrors { code } } }";
        let input = json!({ "currentPassword": PASSWORD, "newPassword": "another horse entirely" });
        let changed = server.data_as(&access, change, json!({ "input": input })).await;
        assert_eq!(changed["passwordChange"]["userErrors"], json!([]), "{changed}");
        assert_eq!(codes().await, before - 1, "the link of the mail");
    }

    async fn cookies_are_not_asked_for_where_none_can_be_set(server: &Server) {
        user(server, "ada@example.com", "viewer").await;
        let mut socket = server.knock(None).await;
        socket.let_in().await;
        let input = json!({ "email": "ada@example.com", "password": PASSWORD, "transport": "COOKIE" });
        let answer = socket.subscribe(SIGN_IN, json!({ "input": input })).await.next().await;
        assert_eq!(code(&answer), "BAD_USER_INPUT", "{answer}");
        let sessions = entity::session::Entity::find().all(server.app().db().read()).await.unwrap();
        assert!(sessions.is_empty(), "and nothing was done");
    }

    async fn a_socket_lives_as_long_as_its_session(database: &Database) {
        let setup = Setup::default().at("2026-03-01T12:00:00Z").setting("session_days", "1");
        let server = Server::start(database, setup).await;
        user(&server, "ada@example.com", "viewer").await;
        let (kept, refresh_token) = tokens(&server, "ada@example.com").await;
        let (left, _) = tokens(&server, "ada@example.com").await;
        let mut kept_on = server.socket(&kept).await;
        let mut left_alone = server.socket(&left).await;
        server.set_time("2026-03-02T00:00:00Z");
        refreshed(&server, &refresh_token).await;
        // A day after the sign-in. A change of the user has sockets looked at.
        let looked_at = async |moment: &str| {
            server.set_time(moment);
            let (access, _) = tokens(&server, "ada@example.com").await;
            let rename = "mutation ($name: String!) { profileUpdate(input: { name: $name }) { user { name } } }";
            server.data_as(&access, rename, json!({ "name": moment })).await;
        };
        looked_at("2026-03-02T13:00:00Z").await;
        assert_eq!(left_alone.closed().await, 4403);
        let mut feed = kept_on.subscribe("subscription { leadChanged { event } }", json!({})).await;
        server.data("mutation { leadCreate(input: { email: \"a@example.com\" }) { lead { id } } }", json!({})).await;
        assert_eq!(feed.data().await["leadChanged"]["event"], "LEAD_CREATED", "its session was refreshed");
        looked_at("2026-03-03T01:00:00Z").await;
        assert_eq!(kept_on.closed().await, 4403);
        server.stop().await;
    }

    async fn the_master_key_is_put_in_place_by_several_at_once(database: &Database) {
        let server = Server::start(database, Setup::default()).await;
        user(&server, "ada@example.com", "viewer").await;
        let (access, _) = tokens(&server, "ada@example.com").await;
        server.stop().await;
        for _ in 0..3 {
            std::thread::scope(|scope| {
                for which in ["master", "master", "data"] {
                    scope.spawn(move || {
                        let said = crate::support::command(database, &["keys", "rotate", "--only", which]);
                        assert_eq!(said.code, Some(0), "{which}: {said:?}");
                    });
                }
            });
        }
        // The key that signs is sealed, and is found by who knows nothing of it yet.
        let server = Server::start(database, Setup::default()).await;
        server.data_as(&access, ME, json!({})).await;
        tokens(&server, "ada@example.com").await;
        server.stop().await;
    }

    async fn sessions_outlive_a_new_signing_key_and_other_servers_know_it(database: &Database) {
        let one = Server::start(database, Setup::default()).await;
        user(&one, "ada@example.com", "viewer").await;
        let (before, _) = tokens(&one, "ada@example.com").await;
        let said = crate::support::command(database, &["keys", "rotate"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.out.contains("new data key") && said.out.contains("new master key"), "{said:?}");
        let (after, _) = tokens(&one, "ada@example.com").await;
        let kid = |token: &str| token.split('.').next().expect("a head").to_owned();
        assert_ne!(kid(&before), kid(&after), "another key signs");
        let two = Server::start(database, Setup::default().without_work()).await;
        for server in [&one, &two] {
            for token in [&before, &after] {
                server.data_as(token, ME, json!({})).await;
            }
        }
        one.stop().await;
        two.stop().await;
    }

    async fn access_tokens_may_be_signed_by_hmac(database: &Database) {
        let server = Server::start(database, Setup::default().setting("access_token_algorithm", "HS256")).await;
        user(&server, "ada@example.com", "viewer").await;
        let (access, _) = tokens(&server, "ada@example.com").await;
        server.data_as(&access, ME, json!({})).await;
        let other = format!("{}A", &access[..access.len() - 1]);
        let other = if other == access { format!("{}B", &access[..access.len() - 1]) } else { other };
        assert_eq!(server.post(Some(&other), ME, json!({})).await.0, 401);
        server.stop().await;
    }

    async fn a_password_is_hashed_anew_when_the_cost_changes(database: &Database) {
        let server = Server::start(database, Setup::default()).await;
        let id = user(&server, "ada@example.com", "viewer").await;
        let hash = async |server: &Server| {
            let id = entity::id::UserId::parse(&id).expect("an id");
            let user = leadline::identity::user::find(server.app().db().write(), id).await.expect("reads");
            user.expect("is there").password_hash.expect("has one")
        };
        assert!(hash(&server).await.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash(&server).await);
        server.stop().await;
        let server = Server::start(database, Setup::default().setting("password_memory", "20MiB")).await;
        sign_in(&server, "ada@example.com", "another password").await;
        assert!(hash(&server).await.contains("m=19456"), "only for the right one");
        tokens(&server, "ada@example.com").await;
        assert!(hash(&server).await.contains("m=20480"), "{}", hash(&server).await);
        tokens(&server, "ada@example.com").await;
        server.stop().await;
    }
}
