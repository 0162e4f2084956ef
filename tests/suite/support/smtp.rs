//! A mail server that keeps what it is given.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A mail server on a port of loopback; it ends with its test.
#[derive(Debug)]
pub struct Smtp {
    port: u16,
    mails: Arc<Mutex<Vec<String>>>,
    refusals: Arc<Mutex<Vec<&'static str>>>,
}

impl Smtp {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let (mails, refusals) = (Arc::default(), Arc::default());
        let (kept, told) = (Arc::clone(&mails), Arc::clone(&refusals));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (kept, told) = (Arc::clone(&kept), Arc::clone(&told));
                tokio::spawn(async move {
                    // A client that goes away is none of the server's trouble.
                    let _ = attend(connection, &kept, &told).await;
                });
            }
        });
        Self {
            port,
            mails,
            refusals,
        }
    }

    /// Its address, for the setting `smtp_url`.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Refuses the next mail with an answer such as `451 later`.
    pub fn refuse_next(&self, answer: &'static str) {
        self.refusals.lock().expect("nobody panics").push(answer);
    }

    /// What it was given so far, heads and texts.
    pub fn mails(&self) -> Vec<String> {
        self.mails.lock().expect("nobody panics").clone()
    }
}

async fn attend(
    connection: TcpStream,
    mails: &Mutex<Vec<String>>,
    refusals: &Mutex<Vec<&'static str>>,
) -> std::io::Result<()> {
    let (read, mut write) = connection.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 sink\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let word = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let answer = match word.as_str() {
            "EHLO" => "250-sink\r\n250 8BITMIME\r\n",
            "DATA" => {
                let refused = refusals.lock().expect("nobody panics").pop();
                if let Some(answer) = refused {
                    write.write_all(format!("{answer}\r\n").as_bytes()).await?;
                    continue;
                }
                write.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while let Some(line) = lines.next_line().await? {
                    if line == "." {
                        break;
                    }
                    mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                    mail.push('\n');
                }
                mails.lock().expect("nobody panics").push(mail);
                "250 kept\r\n"
            }
            "QUIT" => "221 bye\r\n",
            _ => "250 fine\r\n",
        };
        write.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}
