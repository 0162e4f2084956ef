//! How people become users, prove who they are, and are helped when they cannot get in.

use std::time::Duration;

use leadline::db::PageRequest;
use leadline::identity::{Caller, mail};
use serde_json::{Value, json};
use totp_rs::Builder;

use crate::sessions::{PASSWORD, sign_in, tokens, user};
use crate::support::{
    Database, Provider, Server, Setup, Smtp, code, command, prepared, unix_seconds, unknown_field, until,
};

const OTHER: &str = "another fine password";
const SIGN_UP: &str = "mutation ($input: SignUpInput!) { signUp(input: $input) {
    user { email role { key } emailVerifiedAt } tokens { accessToken } userErrors { field code message }
} }";

/// Asks as nobody; answers the payload of the one field.
async fn nobody(server: &Server, query: &str, input: Value) -> Value {
    let mut answer = server.graphql_as(None, query, json!({ "input": input })).await;
    let data = answer["data"].take();
    let payload = data.as_object().and_then(|data| data.values().next()).cloned();
    payload.unwrap_or_else(|| panic!("{answer}"))
}

/// The newest mail: to whom, its text.
async fn newest_mail(server: &Server) -> Option<(String, String)> {
    let operator = Caller::operator();
    let mut found = mail::list(server.app(), &operator, &PageRequest::first(1))
        .await
        .expect("reads");
    let mail = found.items.pop()?;
    let body = mail::get_body(server.app(), &operator, &mail)
        .await
        .expect("opens");
    Some((mail.recipient, body))
}

/// The code of the link in a mail's text.
fn link_code(body: &str, page: &str) -> String {
    let (_, rest) = body
        .split_once(&format!("/account#{page}="))
        .unwrap_or_else(|| panic!("{body}"));
    rest.split_whitespace().next().expect("a code").to_owned()
}

on_both! {
    async fn the_first_user_is_made_by_the_code_of_the_start_and_once(database: &Database) {
        let server = Server::start(database, Setup::default()).await;
        let made = leadline::identity::account::set_up_code(server.app()).await.expect("made");
        let old = made.expect("there are no users");
        let again = leadline::identity::account::set_up_code(server.app()).await.expect("made");
        let fresh = again.expect("still none");
        let set_up = "mutation ($input: SetUpInput!) { setUp(input: $input) {
            user { email role { key } } tokens { accessToken } userErrors { field code }
        } }";
        let input = |code: &str| json!({ "code": code, "email": "Ada@example.com", "password": PASSWORD });
        let refused = nobody(&server, set_up, input(&old)).await;
        assert_eq!(refused["userErrors"][0]["code"], "INVALID_CODE", "{refused}");
        let short = nobody(&server, set_up, json!({ "code": fresh, "email": "a@example.com", "password": "short" })).await;
        assert_eq!(short["userErrors"][0], json!({ "field": ["password"], "code": "INVALID_PASSWORD" }));
        // Twins: one of them.
        let (one, two) = tokio::join!(nobody(&server, set_up, input(&fresh)), nobody(&server, set_up, input(&fresh)));
        let made = [&one, &two].iter().filter(|answer| answer["user"]["role"]["key"] == "admin").count();
        assert_eq!(made, 1, "{one} {two}");
        let last = nobody(&server, set_up, input(&fresh)).await;
        assert_eq!(last["userErrors"][0]["code"], "INVALID_CODE");
        assert_eq!(leadline::identity::account::set_up_code(server.app()).await.expect("asked"), None);
        server.stop().await;
    }

    async fn who_is_invited_chooses_a_password_and_has_the_role(server: &Server) {
        user(server, "admin@example.com", "admin").await;
        let (admin, _) = tokens(server, "admin@example.com").await;
        let invite = "mutation ($input: InvitationCreateInput!) { invitationCreate(input: $input) {
            invitation { id email role { key } invitedBy } userErrors { code }
        } }";
        let input = json!({ "input": { "email": "bob@example.com", "role": "user" } });
        let first = server.data_as(&admin, invite, input.clone()).await;
        assert_eq!(first["invitationCreate"]["invitation"]["role"]["key"], "user", "{first}");
        let (_, body) = newest_mail(server).await.expect("a mail");
        let old = link_code(&body, "invitation");
        server.data_as(&admin, invite, input).await;
        let (to, body) = newest_mail(server).await.expect("a mail");
        assert_eq!(to, "bob@example.com");
        let fresh = link_code(&body, "invitation");
        let listed = server.data_as(&admin, "{ invitations { email } }", json!({})).await;
        assert_eq!(listed["invitations"], json!([{ "email": "bob@example.com" }]), "one at a time");
        let with = |code: &str| json!({ "invitation": code, "password": OTHER, "name": "Bob" });
        assert_eq!(nobody(server, SIGN_UP, with(&old)).await["userErrors"][0]["code"], "INVALID_CODE");
        assert_eq!(nobody(server, SIGN_UP, with("leadline_invite_nonsense")).await["userErrors"][0]["code"], "INVALID_CODE");
        let made = nobody(server, SIGN_UP, with(&fresh)).await;
        assert_eq!((&made["user"]["email"], &made["user"]["role"]["key"]), (&json!("bob@example.com"), &json!("user")));
        assert!(made["tokens"]["accessToken"].is_string() && made["user"]["emailVerifiedAt"].is_string(), "{made}");
        assert_eq!(nobody(server, SIGN_UP, with(&fresh)).await["userErrors"][0]["code"], "INVALID_CODE", "once");
        let taken = server.data_as(&admin, invite, json!({ "input": { "email": "bob@example.com", "role": "user" } })).await;
        assert_eq!(taken["invitationCreate"]["userErrors"][0]["code"], "TAKEN");
        // Without an invitation the door is shut.
        let shut = nobody(server, SIGN_UP, json!({ "email": "eve@example.com", "password": OTHER })).await;
        assert_eq!(shut["userErrors"][0]["code"], "SIGN_UP_CLOSED");
        // One that was taken back is none.
        let made = server.data_as(&admin, invite, json!({ "input": { "email": "carol@example.com", "role": "viewer" } })).await;
        let (_, body) = newest_mail(server).await.expect("a mail");
        let revoke = "mutation ($id: ID!) { invitationRevoke(input: { id: $id }) { invitation { id } userErrors { code } } }";
        server.data_as(&admin, revoke, json!({ "id": made["invitationCreate"]["invitation"]["id"] })).await;
        let refused = nobody(server, SIGN_UP, with(&link_code(&body, "invitation"))).await;
        assert_eq!(refused["userErrors"][0]["code"], "INVALID_CODE");
    }

    async fn where_all_may_sign_up_the_mail_shows_whose_the_address_is(database: &Database) {
        let server = Server::start(database, Setup::default().setting("sign_up", "open")).await;
        let input = json!({ "email": "eve@example.com", "password": OTHER });
        let asked = nobody(&server, SIGN_UP, input.clone()).await;
        assert_eq!(asked, json!({ "user": null, "tokens": null, "userErrors": [] }));
        let early = sign_in(&server, "eve@example.com", OTHER).await;
        assert_eq!(early["data"]["signIn"]["userErrors"][0]["code"], "EMAIL_NOT_VERIFIED");
        let wrong = sign_in(&server, "eve@example.com", PASSWORD).await;
        assert_eq!(wrong["data"]["signIn"]["userErrors"][0]["code"], "INVALID_CREDENTIALS", "told to nobody else");
        let (_, body) = newest_mail(&server).await.expect("a mail");
        let verify = "mutation ($input: EmailVerifyInput!) { emailVerify(input: $input) { userErrors { code } } }";
        // Whoever reads the mail and did not sign up knows no password: a click lets nobody in.
        let guessed = json!({ "code": link_code(&body, "email-verify"), "password": PASSWORD });
        assert_eq!(nobody(&server, verify, guessed).await["userErrors"][0]["code"], "WRONG_PASSWORD");
        let given = json!({ "code": link_code(&body, "email-verify"), "password": OTHER });
        assert_eq!(nobody(&server, verify, given.clone()).await["userErrors"], json!([]));
        assert_eq!(nobody(&server, verify, given).await["userErrors"][0]["code"], "INVALID_CODE", "once");
        let came = sign_in(&server, "eve@example.com", OTHER).await;
        assert!(came["data"]["signIn"]["tokens"].is_object(), "{came}");
        assert_eq!(came["data"]["signIn"]["user"]["role"]["key"], "viewer");
        // Who has an account gets another mail, and the same answer.
        assert_eq!(nobody(&server, SIGN_UP, input).await, asked);
        let (_, body) = newest_mail(&server).await.expect("a mail");
        assert!(body.contains("which has an account already"), "{body}");
        server.stop().await;
        let server = Server::start(database, Setup::default().setting("sign_up", "off")).await;
        let shut = nobody(&server, SIGN_UP, json!({ "invitation": "leadline_invite_x", "password": OTHER })).await;
        assert_eq!(shut["userErrors"][0]["code"], "SIGN_UP_CLOSED");
        server.stop().await;
    }

    async fn a_forgotten_password_is_chosen_anew_by_mail(database: &Database) {
        let server = Server::start(database, Setup::default().at("2026-03-01T12:00:00Z")).await;
        user(&server, "ada@example.com", "viewer").await;
        let (_, refresh) = tokens(&server, "ada@example.com").await;
        let forgot = "mutation ($input: PasswordForgotInput!) { passwordForgot(input: $input) { userErrors { code } } }";
        let reset = "mutation ($input: PasswordResetInput!) { passwordReset(input: $input) { userErrors { code } } }";
        let begun = std::time::Instant::now();
        let unknown = nobody(&server, forgot, json!({ "email": "eve@example.com" })).await;
        let (time_of_unknown, begun) = (begun.elapsed(), std::time::Instant::now());
        assert_eq!(newest_mail(&server).await, None);
        assert_eq!(nobody(&server, forgot, json!({ "email": "ada@example.com" })).await, unknown, "the same answer");
        // Both wait for the same moment, which is well behind what either has to do.
        for time in [time_of_unknown, begun.elapsed()] {
            assert!(time.as_millis() >= 250, "{time:?}");
        }
        let (_, body) = newest_mail(&server).await.expect("a mail");
        let old = link_code(&body, "password-reset");
        // The clock stands, and the newest mail is wanted.
        server.set_time("2026-03-01T12:00:01Z");
        nobody(&server, forgot, json!({ "email": "ada@example.com" })).await;
        let (_, body) = newest_mail(&server).await.expect("a mail");
        let fresh = link_code(&body, "password-reset");
        let refused = nobody(&server, reset, json!({ "code": old, "password": OTHER })).await;
        assert_eq!(refused["userErrors"][0]["code"], "INVALID_CODE", "the newest alone");
        let short = nobody(&server, reset, json!({ "code": fresh, "password": "short" })).await;
        assert_eq!(short["userErrors"][0]["code"], "INVALID_PASSWORD", "and the code is still good");
        assert_eq!(nobody(&server, reset, json!({ "code": fresh, "password": OTHER })).await["userErrors"], json!([]));
        assert_eq!(nobody(&server, reset, json!({ "code": fresh, "password": OTHER })).await["userErrors"][0]["code"], "INVALID_CODE");
        let gone = "mutation ($token: String!) { sessionRefresh(input: { refreshToken: $token }) { user { id } } }";
        assert_eq!(code(&server.graphql_as(None, gone, json!({ "token": refresh })).await), "UNAUTHENTICATED");
        assert!(sign_in(&server, "ada@example.com", OTHER).await["data"]["signIn"]["tokens"].is_object());
        assert!(sign_in(&server, "ada@example.com", PASSWORD).await["data"]["signIn"]["tokens"].is_null());
        // Too late.
        server.set_time("2026-03-01T12:00:02Z");
        nobody(&server, forgot, json!({ "email": "ada@example.com" })).await;
        let (_, body) = newest_mail(&server).await.expect("a mail");
        server.set_time("2026-03-01T13:00:03Z");
        let late = nobody(&server, reset, json!({ "code": link_code(&body, "password-reset"), "password": PASSWORD })).await;
        assert_eq!(late["userErrors"][0]["code"], "INVALID_CODE");
        server.stop().await;
    }

    async fn a_changed_password_ends_the_other_sessions(server: &Server) {
        user(server, "ada@example.com", "viewer").await;
        let (here, _) = tokens(server, "ada@example.com").await;
        let (there, _) = tokens(server, "ada@example.com").await;
        let change = "mutation ($input: PasswordChangeInput!) { passwordChange(input: $input) { user { email } userErrors { field code } } }";
        let with = |current: &str, new: &str| json!({ "input": { "currentPassword": current, "newPassword": new } });
        let wrong = server.data_as(&here, change, with(OTHER, OTHER)).await;
        assert_eq!(wrong["passwordChange"]["userErrors"][0], json!({ "field": ["currentPassword"], "code": "WRONG_PASSWORD" }));
        let weak = server.data_as(&here, change, with(PASSWORD, "ada@example.com")).await;
        assert_eq!(weak["passwordChange"]["userErrors"][0], json!({ "field": ["newPassword"], "code": "INVALID_PASSWORD" }));
        let done = server.data_as(&here, change, with(PASSWORD, OTHER)).await;
        assert_eq!(done["passwordChange"]["user"]["email"], "ada@example.com");
        until("the other device is out", async || {
            server.post(Some(&there), "{ me { email } }", json!({})).await.0 == 401
        })
        .await;
        server.data_as(&here, "{ me { email } }", json!({})).await;
        // A token has no password.
        assert_eq!(unknown_field(&server.graphql(change, with(PASSWORD, OTHER)).await), "passwordChange");
    }

    async fn a_profile_is_ones_own(server: &Server) {
        user(server, "ada@example.com", "viewer").await;
        let (ada, _) = tokens(server, "ada@example.com").await;
        let update = "mutation ($input: ProfileUpdateInput!) { profileUpdate(input: $input) {
            user { name avatarUrl timeZone language } userErrors { field code }
        } }";
        let input = json!({ "input": { "name": "Ada", "avatarUrl": "https://example.com/a.png", "timeZone": "Europe/London", "language": "en-GB" } });
        let done = server.data_as(&ada, update, input).await;
        let shown = json!({ "name": "Ada", "avatarUrl": "https://example.com/a.png", "timeZone": "Europe/London", "language": "en-GB" });
        assert_eq!(done["profileUpdate"]["user"], shown);
        let done = server.data_as(&ada, update, json!({ "input": { "avatarUrl": null, "language": "english please" } })).await;
        assert_eq!(done["profileUpdate"]["userErrors"], json!([{ "field": ["language"], "code": "INVALID_PROFILE" }]));
        let done = server.data_as(&ada, update, json!({ "input": { "avatarUrl": null } })).await;
        assert_eq!((&done["profileUpdate"]["user"]["name"], &done["profileUpdate"]["user"]["avatarUrl"]), (&json!("Ada"), &Value::Null));
    }

    async fn nobody_gives_more_than_they_have_and_an_administrator_stays(server: &Server) {
        let admin_id = user(server, "admin@example.com", "admin").await;
        let role = "mutation ($input: RoleInput!) { roleCreate(input: $input) { role { key scopes builtIn } userErrors { code } } }";
        let made = server.data(role, json!({ "input": { "key": "people", "name": "People", "scopes": ["users:write", "leads:read"] } })).await;
        assert_eq!(made["roleCreate"]["role"], json!({ "key": "people", "scopes": ["leads:read", "users:write"], "builtIn": false }));
        for (input, wanted) in [
            (json!({ "key": "people", "name": "x", "scopes": ["leads:read"] }), "TAKEN"),
            (json!({ "key": "admin", "name": "x", "scopes": ["leads:read"] }), "TAKEN"),
            (json!({ "key": "No Key", "name": "x", "scopes": ["leads:read"] }), "INVALID_KEY"),
            (json!({ "key": "nothing", "name": "x", "scopes": [] }), "INVALID_SCOPE"),
            (json!({ "key": "odd", "name": "x", "scopes": ["leads:fly"] }), "INVALID_SCOPE"),
            (json!({ "key": "noname", "name": " ", "scopes": ["leads:read"] }), "INVALID_NAME"),
        ] {
            let refused = server.data(role, json!({ "input": input })).await;
            assert_eq!(refused["roleCreate"]["userErrors"][0]["code"], wanted, "{refused}");
        }
        let id = user(server, "pat@example.com", "people").await;
        let viewer = user(server, "viewer@example.com", "viewer").await;
        let (pat, _) = tokens(server, "pat@example.com").await;
        let asked = async |query: &str, variables: Value, field: &str| {
            let answer = server.data_as(&pat, query, variables).await;
            answer[field]["userErrors"][0]["code"].as_str().unwrap_or_default().to_owned()
        };
        let change = "mutation ($id: ID!, $role: String!) { userRoleChange(input: { id: $id, role: $role }) { userErrors { code } } }";
        let out = "mutation ($id: ID!) { userDeactivate(input: { id: $id }) { userErrors { code } } }";
        let invite = "mutation ($input: InvitationCreateInput!) { invitationCreate(input: $input) { userErrors { code } } }";
        assert_eq!(asked(change, json!({ "id": id, "role": "admin" }), "userRoleChange").await, "BEYOND_OWN");
        assert_eq!(asked(change, json!({ "id": viewer, "role": "user" }), "userRoleChange").await, "BEYOND_OWN", "a viewer reads more than pat");
        assert_eq!(asked(change, json!({ "id": id, "role": "none" }), "userRoleChange").await, "UNKNOWN_ROLE");
        assert_eq!(asked(out, json!({ "id": admin_id }), "userDeactivate").await, "BEYOND_OWN");
        assert_eq!(asked(role, json!({ "input": { "key": "more", "name": "x", "scopes": ["jobs:read"] } }), "roleCreate").await, "BEYOND_OWN");
        assert_eq!(asked(invite, json!({ "input": { "email": "x@example.com", "role": "admin" } }), "invitationCreate").await, "BEYOND_OWN");
        let last = server.data(out, json!({ "id": admin_id })).await;
        assert_eq!(last["userDeactivate"]["userErrors"][0]["code"], "LAST_ADMIN");
        let last = server.data(change, json!({ "id": admin_id, "role": "viewer" })).await;
        assert_eq!(last["userRoleChange"]["userErrors"][0]["code"], "LAST_ADMIN");
        let delete = "mutation ($key: String!) { roleDelete(input: { key: $key }) { role { key } userErrors { code } } }";
        assert_eq!(server.data(delete, json!({ "key": "people" })).await["roleDelete"]["userErrors"][0]["code"], "IN_USE");
        assert_eq!(server.data(delete, json!({ "key": "viewer" })).await["roleDelete"]["userErrors"][0]["code"], "BUILT_IN");
        // What a role loses, its holders lose, and their sockets close.
        let mut socket = server.socket(&pat).await;
        let update = "mutation ($input: RoleInput!) { roleUpdate(input: $input) { role { scopes } userErrors { code } } }";
        server.data(update, json!({ "input": { "key": "people", "name": "People", "scopes": ["users:read"] } })).await;
        assert_eq!(socket.closed().await, 4403);
        until("leads are out of reach", async || {
            let answer = server.graphql_as(Some(&pat), "{ leadsCount { count } }", json!({})).await;
            answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        })
        .await;
    }

    async fn the_second_factor_is_asked_for_and_each_code_is_good_once(database: &Database) {
        let server = Server::start(database, Setup::default()).await;
        user(&server, "ada@example.com", "viewer").await;
        let (ada, _) = tokens(&server, "ada@example.com").await;
        let begin = "mutation ($input: SecondFactorBeginInput!) { secondFactorBegin(input: $input) { secret url userErrors { code } } }";
        let confirm = "mutation ($input: SecondFactorConfirmInput!) { secondFactorConfirm(input: $input) { recoveryCodes userErrors { code } } }";
        let wrong = server.data_as(&ada, begin, json!({ "input": { "password": OTHER } })).await;
        assert_eq!(wrong["secondFactorBegin"]["userErrors"][0]["code"], "WRONG_PASSWORD");
        let early = server.data_as(&ada, confirm, json!({ "input": { "code": "123456" } })).await;
        assert_eq!(early["secondFactorConfirm"]["userErrors"][0]["code"], "NOT_ON");
        let begun = server.data_as(&ada, begin, json!({ "input": { "password": PASSWORD } })).await;
        let secret = begun["secondFactorBegin"]["secret"].as_str().expect("a secret").to_owned();
        let url = begun["secondFactorBegin"]["url"].as_str().expect("an address");
        assert!(url.starts_with("otpauth://totp/Leadline:ada%40example.com?secret=") && url.contains(&secret), "{url}");
        let secret = totp_rs::Secret::try_from_base32(&secret).expect("base32");
        let totp = Builder::new().with_secret(secret).with_account_name("ada").build().expect("a seed");
        let at = |steps: i64| {
            let now = unix_seconds();
            totp.generate(now.saturating_add_signed(steps * 30)).to_string()
        };
        // Not on before the first code.
        assert!(sign_in(&server, "ada@example.com", PASSWORD).await["data"]["signIn"]["tokens"].is_object());
        let first = at(0);
        let on = server.data_as(&ada, confirm, json!({ "input": { "code": first } })).await;
        let recovery = on["secondFactorConfirm"]["recoveryCodes"].as_array().expect("codes").clone();
        assert_eq!(recovery.len(), 10, "{on}");
        let challenge = async || {
            let answer = sign_in(&server, "ada@example.com", PASSWORD).await;
            assert!(answer["data"]["signIn"]["tokens"].is_null(), "{answer}");
            answer["data"]["signIn"]["secondFactor"]["challenge"].as_str().expect("a challenge").to_owned()
        };
        let step = "mutation ($input: SignInConfirmInput!) { signInConfirm(input: $input) {
            user { email hasSecondFactor recoveryCodesLeft } tokens { accessToken } userErrors { code }
        } }";
        let given = challenge().await;
        let replayed = nobody(&server, step, json!({ "challenge": given, "code": first })).await;
        assert_eq!(replayed["userErrors"][0]["code"], "INVALID_CREDENTIALS", "a code is good once: {replayed}");
        let came = nobody(&server, step, json!({ "challenge": given, "code": at(1) })).await;
        assert_eq!(came["user"]["hasSecondFactor"], true, "one step ahead is the phone's clock: {came}");
        let gone = nobody(&server, step, json!({ "challenge": given, "code": at(1) })).await;
        assert_eq!(gone["userErrors"][0]["code"], "CHALLENGE_GONE", "so is a challenge");
        // The phone is lost.
        let lost = json!({ "challenge": challenge().await, "code": recovery[3].as_str().expect("a code").to_uppercase() });
        assert!(nobody(&server, step, lost).await["tokens"].is_object());
        let again = json!({ "challenge": challenge().await, "code": recovery[3] });
        assert_eq!(nobody(&server, step, again).await["userErrors"][0]["code"], "INVALID_CREDENTIALS");
        let me = server.data_as(&ada, "{ me { recoveryCodesLeft } }", json!({})).await;
        assert_eq!(me["me"]["recoveryCodesLeft"], 9);
        // Guesses are few.
        let given = challenge().await;
        let mut blocked = false;
        for n in 0..12 {
            let answer = server.graphql_as(None, step, json!({ "input": { "challenge": given, "code": format!("{n:06}") } })).await;
            blocked |= answer["errors"][0]["extensions"]["code"] == "RATE_LIMITED";
        }
        assert!(blocked);
        // Off, by the operator, who lifts the block too.
        let said = recovered(database, "ada@example.com", OTHER);
        assert!(said.contains("without a second factor"), "{said}");
        until("the block is over", async || {
            sign_in(&server, "ada@example.com", OTHER).await["data"]["signIn"]["tokens"].is_object()
        })
        .await;
        server.stop().await;
    }

    async fn mails_reach_a_mail_server_and_wait_while_it_is_away(database: &Database) {
        let smtp = Smtp::start().await;
        smtp.refuse_next("451 come back later");
        let setup = Setup::default().at("2026-03-01T12:00:00Z").setting("smtp_url", smtp.url());
        let server = Server::start(database, setup.setting("mail_from", "Leads <leads@example.com>")).await;
        user(&server, "ada@example.com", "viewer").await;
        let forgot = "mutation ($input: PasswordForgotInput!) { passwordForgot(input: $input) { userErrors { code } } }";
        nobody(&server, forgot, json!({ "email": "ada@example.com" })).await;
        let states = async || {
            let shown = server.data("{ mails { nodes { state attempts error recipient subject body } } }", json!({})).await;
            shown["mails"]["nodes"].clone()
        };
        until("it was tried", async || states().await[0]["attempts"] == 1 && states().await[0]["error"].is_string()).await;
        assert_eq!(states().await[0]["state"], "WAITING");
        assert!(smtp.mails().is_empty());
        server.set_time("2026-03-01T12:00:11Z");
        until("it was sent", async || states().await[0]["state"] == "SENT").await;
        let mails = smtp.mails();
        assert_eq!(mails.len(), 1, "once");
        assert!(mails[0].contains("From: Leads <leads@example.com>") && mails[0].contains("To: ada@example.com"), "{}", mails[0]);
        assert!(mails[0].contains("Message-ID: <mail_"), "{}", mails[0]);
        // Refused for good.
        smtp.refuse_next("550 no such user");
        nobody(&server, forgot, json!({ "email": "ada@example.com" })).await;
        until("it was given up", async || states().await[0]["state"] == "FAILED").await;
        assert_eq!(smtp.mails().len(), 1);
        server.stop().await;
    }

    async fn users_sign_in_at_a_provider(database: &Database) {
        let provider = Provider::start().await;
        let mut setup = Setup::default();
        for (key, value) in provider.settings() {
            setup = setup.setting(key, value);
        }
        let server = Server::start(database, setup).await;
        user(&server, "ada@example.com", "user").await;
        let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(30)).build().expect("a client");
        let begin = "mutation ($input: OpenIdBeginInput!) { openIdBegin(input: $input) { url userErrors { code } } }";
        let begun = async || {
            let sent = browser.post(server.url("/graphql")).json(&json!({ "query": begin, "variables": { "input": { "redirectPath": "/leads?x=1" } } }));
            let answer = sent.send().await.expect("an answer");
            let cookie = answer.headers()["set-cookie"].to_str().expect("text").to_owned();
            assert!(cookie.contains("; Path=/openid/callback;") && cookie.contains("HttpOnly"), "{cookie}");
            let cookie = cookie.split(';').next().expect("a pair").to_owned();
            let answer: Value = answer.json().await.expect("JSON");
            (answer["data"]["openIdBegin"]["url"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned(), cookie)
        };
        let back = async |(way, given, state): (String, String, String), cookie: &str| {
            assert_eq!(way, server.url("/openid/callback"));
            let way = url::Url::parse_with_params(&way, [("code", given), ("state", state)]).expect("an address");
            let asked = browser.get(way).header("cookie", cookie);
            let answer = asked.send().await.expect("an answer");
            assert_eq!(answer.status().as_u16(), 303);
            let kept: Vec<String> = answer.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().expect("text").split(';').next().expect("a pair").to_owned()).collect();
            (answer.headers()["location"].to_str().expect("text").to_owned(), kept.join("; "))
        };
        let who = async |cookies: &str| {
            let asked = browser.post(server.url("/graphql")).header("cookie", cookies).json(&json!({ "query": "{ me { email name role { key } } }" }));
            let answer: Value = asked.send().await.expect("an answer").json().await.expect("JSON");
            answer["data"]["me"].clone()
        };
        let ada = json!({ "sub": "1", "email": "Ada@example.com", "email_verified": true, "name": "Ada" });
        // By the same address, known to both.
        let (page, cookie) = begun().await;
        let way = provider.sign_in(&page, ada.clone());
        let (location, cookies) = back(way.clone(), &cookie).await;
        assert_eq!(location, "/leads?x=1");
        assert_eq!(who(&cookies).await, json!({ "email": "ada@example.com", "name": "", "role": { "key": "user" } }));
        let noted = server.data("{ auditEntries(filter: { action: \"SESSION_STARTED\" }) { nodes { action address } } }", json!({})).await;
        assert_eq!(noted["auditEntries"]["nodes"][0], json!({ "action": "SESSION_STARTED", "address": "127.0.0.1" }), "{noted}");
        // Once.
        let (location, cookies) = back(way, &cookie).await;
        assert!(location.starts_with("/account#sign-in-failed=") && !cookies.contains("leadline_access"), "{location}");
        // In a browser that did not begin it.
        let (page, _) = begun().await;
        let (location, _) = back(provider.sign_in(&page, ada), "leadline_openid=other").await;
        assert!(location.contains("another%20browser"), "{location}");
        // By who they are there, whatever their address is now.
        let (page, cookie) = begun().await;
        let (_, cookies) = back(provider.sign_in(&page, json!({ "sub": "1", "email": "new@example.com" })), &cookie).await;
        assert_eq!(who(&cookies).await["email"], "ada@example.com");
        // No account, and an address that nobody vouches for.
        for (person, says) in [
            (json!({ "sub": "2", "email": "eve@example.com", "email_verified": true }), "ask%20an%20administrator"),
            (json!({ "sub": "3", "email": "ada@example.com", "email_verified": false }), "to%20be%20yours"),
        ] {
            let (page, cookie) = begun().await;
            let (location, cookies) = back(provider.sign_in(&page, person), &cookie).await;
            assert!(location.contains(says) && !cookies.contains("leadline_access"), "{location}");
        }
        // Invited.
        let invite = "mutation { invitationCreate(input: { email: \"eve@example.com\", role: \"viewer\" }) { userErrors { code } } }";
        server.data(invite, json!({})).await;
        let (page, cookie) = begun().await;
        let eve = json!({ "sub": "2", "email": "eve@example.com", "email_verified": true, "name": "Eve" });
        let (_, cookies) = back(provider.sign_in(&page, eve), &cookie).await;
        assert_eq!(who(&cookies).await, json!({ "email": "eve@example.com", "name": "Eve", "role": { "key": "viewer" } }));
        assert_eq!(server.data("{ invitations { id } }", json!({})).await["invitations"], json!([]));
        // Where it leads must be here.
        for path in ["//evil.example", "https://evil.example", "/\\evil.example", ""] {
            let refused = nobody(&server, begin, json!({ "redirectPath": path })).await;
            assert_eq!(refused["userErrors"][0]["code"], "INVALID_REDIRECT", "{path}");
        }
        server.stop().await;
    }
}

fn recovered(database: &Database, email: &str, password: &str) -> String {
    use std::io::Write as _;
    let mut child = prepared(database, &["user", "recover", email])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut line = child.stdin.take().expect("piped");
    writeln!(line, "{password}").expect("it reads");
    drop(line);
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8(output.stdout).expect("UTF-8")
}

on_both! {
    async fn the_command_line_makes_and_lists_users(database: &Database) {
        use std::io::Write as _;
        let create = |email: &str, role: &str, password: &str| {
            let mut child = prepared(database, &["user", "create", "--email", email, "--role", role])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .expect("the binary starts");
            writeln!(child.stdin.take().expect("piped"), "{password}").expect("it reads");
            let output = child.wait_with_output().expect("it ends");
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
            (output.status.code(), text(output.stdout), text(output.stderr))
        };
        let empty = command(database, &["user", "list"]);
        assert!(empty.out.contains("there are no users"), "{empty:?}");
        let (status, out, _) = create("Ada@example.com", "admin", PASSWORD);
        assert!(status == Some(0) && out.starts_with("made the user ada@example.com (user_"), "{out}");
        for (email, role, password, says) in [
            ("ada@example.com", "admin", PASSWORD, "there is a user"),
            ("nonsense", "admin", PASSWORD, "is not an e-mail address"),
            ("bob@example.com", "boss", PASSWORD, "there is no role `boss`"),
            ("bob@example.com", "admin", "short", "10 to 256 characters"),
        ] {
            let (status, _, err) = create(email, role, password);
            assert!(status == Some(2) && err.contains(says), "{err}");
        }
        create("bob@example.com", "viewer", PASSWORD);
        let said = command(database, &["user", "role", "bob@example.com", "user"]);
        assert!(said.out.contains("has the role `user`"), "{said:?}");
        let said = command(database, &["user", "deactivate", "bob@example.com"]);
        assert!(said.out.contains("is shut out"), "{said:?}");
        let said = command(database, &["user", "deactivate", "ada@example.com"]);
        assert!(said.code == Some(2) && said.err.contains("nobody else has the role"), "{said:?}");
        let listed = command(database, &["user", "list"]).out;
        let line = |email: &str| listed.lines().find(|line| line.contains(email)).unwrap_or_else(|| panic!("{listed}"));
        assert!(line("ada@").contains("admin") && line("ada@").contains("active"), "{listed}");
        assert!(line("bob@").contains("shut out"), "{listed}");
        assert!(command(database, &["mail", "list"]).out.contains("there are no mails"));
    }
}
