//! TLS: a front before the sandbox that speaks it, with a certificate of its own.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::platform::smtp::Server;

/// How a front behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Front {
    /// TLS from the beginning.
    Implicit,
    /// TLS after `STARTTLS`.
    After,
    /// As before, but with an answer too many behind that to `STARTTLS`, as somebody on the way would put it in.
    Injected,
    /// Does not know `STARTTLS`.
    Without,
}

/// Starts a front before a sandbox; gives its port and its certificate.
async fn front(kind: Front, sandbox: &Running) -> (u16, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    crate::transport::tls();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let behind = sandbox.base.socket_addrs(|| None).expect("an address")[0];
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { serve(kind, stream, acceptor, behind).await });
        }
    });
    (port, cert.pem())
}

async fn serve(
    kind: Front,
    stream: TcpStream,
    acceptor: TlsAcceptor,
    behind: std::net::SocketAddr,
) -> std::io::Result<()> {
    let mut inner = TcpStream::connect(behind).await?;
    let stream = if kind == Front::Implicit {
        stream
    } else {
        let mut clear = BufReader::new(stream);
        let mut line = String::new();
        clear.write_all(b"220 front.example ESMTP\r\n").await?;
        clear.read_line(&mut line).await?;
        let offers: &[u8] = if kind == Front::Without {
            b"250-front.example\r\n250 SIZE 1000\r\n"
        } else {
            b"250-front.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"
        };
        clear.write_all(offers).await?;
        clear.read_line(&mut line).await?;
        let go: &[u8] = if kind == Front::Injected {
            b"220 go ahead\r\n250 injected\r\n"
        } else {
            b"220 go ahead\r\n"
        };
        clear.write_all(go).await?;
        // The greeting behind is not for the client, who has got one.
        let mut greeting = vec![0; "220 sandbox.example ESMTP\r\n".len()];
        inner.read_exact(&mut greeting).await?;
        clear.into_inner()
    };
    let mut outer = acceptor.accept(stream).await?;
    copy_bidirectional(&mut outer, &mut inner).await?;
    Ok(())
}

async fn through(kind: Front, is_trusted: bool) -> (Ground, Context) {
    let ground = ground().await;
    let (port, pem) = front(kind, &ground.running).await;
    let mut setup = ground.sandbox.setup(&ground.running.base);
    setup.settings["host"] = "localhost".into();
    setup.settings["port"] = port.into();
    setup.settings["encryption"] = if kind == Front::Implicit {
        "TLS"
    } else {
        "STARTTLS"
    }
    .into();
    if is_trusted {
        setup.settings["certificates"] = pem.into();
    }
    let context = context_of(&ground.smtp, &setup, Duration::from_secs(10));
    (ground, context)
}

#[tokio::test]
async fn mail_goes_encrypted_from_the_beginning_and_after_the_greeting() {
    for kind in [Front::Implicit, Front::After] {
        let (ground, context) = through(kind, true).await;
        let account = ground.smtp.check(&context).await.unwrap();
        assert!(account.details.contains(&("encrypted", "true".to_owned())));
        taken(
            &ground
                .smtp
                .send(&context, &letter("m-1", "lea@example.com", "Hello"))
                .await
                .unwrap(),
        );
        assert_eq!(ground.held(), 1);
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_accepted() {
    for kind in [Front::Implicit, Front::After] {
        let (ground, context) = through(kind, false).await;
        let error = ground.smtp.check(&context).await.unwrap_err();
        assert_eq!(error.kind, Kind::Settings, "{error}");
        assert!(error.message.contains("certificate"), "{error}");
        assert_eq!(ground.held(), 0);
    }
}

#[tokio::test]
async fn what_is_put_in_before_the_encryption_is_not_taken_for_an_answer() {
    let (ground, context) = through(Front::Injected, true).await;
    let error = ground.smtp.check(&context).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unreachable, "{error}");
}

#[tokio::test]
async fn without_starttls_nothing_is_said_in_the_clear() {
    let (ground, context) = through(Front::Without, true).await;
    let error = ground.smtp.check(&context).await.unwrap_err();
    assert_eq!(error.kind, Kind::Settings, "{error}");
}

#[test]
fn certificates_that_cannot_be_read_are_told() {
    let settings = serde_json::json!({
        "host": "localhost",
        "certificates": "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----",
    });
    let server = Server {
        settings: serde_json::from_value(settings).unwrap(),
        password: None,
    };
    let error = crate::platform::smtp::session::tls(&server).err().unwrap();
    assert_eq!(error.kind, Kind::Settings);
}
