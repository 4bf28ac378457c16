//! What real HTTP listeners are sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use notice::{Channel, Notice, Sender, Stage};
use serde_json::{Value, json};

#[derive(Clone, Default)]
struct Heard {
    bodies: Arc<Mutex<Vec<Value>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

/// A listener that answers with these statuses in turn, then 202.
async fn listener(answers: &[u16]) -> (String, Heard) {
    let heard = Heard {
        answers: Arc::new(Mutex::new(answers.iter().copied().collect())),
        ..Heard::default()
    };
    let app = Router::new()
        .route(
            "/{*any}",
            post(
                |State(heard): State<Heard>, Json(body): Json<Value>| async move {
                    heard.bodies.lock().unwrap().push(body);
                    let status = heard.answers.lock().unwrap().pop_front().unwrap_or(202);
                    (StatusCode::from_u16(status).unwrap(), "no\u{7} such token")
                },
            ),
        )
        .with_state(heard.clone());
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/hook/very-secret-token",
        socket.local_addr().unwrap()
    );
    tokio::spawn(async move { axum::serve(socket, app).await });
    (url, heard)
}

fn notice(stage: Stage) -> Notice {
    Notice {
        environment: "production".to_owned(),
        generation: "20261128-4435".to_owned(),
        scenario: "breach".to_owned(),
        run: "20261128T062341Z".to_owned(),
        stage,
        at: "2026-11-28T06:23:41Z".parse().unwrap(),
        text: "Cut off: <everything> & more".to_owned(),
    }
}

#[tokio::test]
async fn each_channel_gets_its_own_form() {
    let (url, heard) = listener(&[]).await;
    let sender = Sender::new().unwrap();
    let channels = [
        Channel::Webhook {
            url: url.clone().into(),
        },
        Channel::Slack {
            url: url.clone().into(),
        },
        Channel::PagerDuty {
            url: url.into(),
            routing_key: "key".into(),
        },
    ];
    for channel in &channels {
        sender.send(channel, &notice(Stage::Begun)).await.unwrap();
    }
    sender
        .send(&channels[2], &notice(Stage::Complete))
        .await
        .unwrap();
    sender
        .send(&channels[2], &notice(Stage::Failed))
        .await
        .unwrap();
    let bodies = heard.bodies.lock().unwrap();
    let summary = "production: breach of generation 20261128-4435 has begun";
    assert_eq!(
        bodies[0],
        json!({
            "event": "begun", "environment": "production", "generation": "20261128-4435", "scenario": "breach",
            "run": "20261128T062341Z", "at": "2026-11-28T06:23:41Z", "summary": summary, "text": "Cut off: <everything> & more",
        })
    );
    assert_eq!(
        bodies[1],
        json!({ "text": format!("*{summary}*\nCut off: &lt;everything&gt; &amp; more") })
    );
    assert_eq!(
        bodies[2],
        json!({
            "routing_key": "key", "event_action": "trigger", "dedup_key": "rebuild/production/20261128T062341Z",
            "payload": {
                "summary": summary, "source": "rebuild production", "severity": "info", "timestamp": "2026-11-28T06:23:41Z",
                "component": "20261128-4435", "class": "breach", "custom_details": { "text": "Cut off: <everything> & more" },
            },
        })
    );
    assert_eq!(bodies[3]["event_action"], "resolve");
    assert_eq!(bodies[3]["dedup_key"], bodies[2]["dedup_key"]);
    assert_eq!(bodies[4]["payload"]["severity"], "critical");
}

#[tokio::test]
async fn a_busy_channel_is_asked_again_and_a_refusal_is_told_without_the_address() {
    let (url, heard) = listener(&[503, 429]).await;
    let sender = Sender::new().unwrap();
    let channel = Channel::Webhook { url: url.into() };
    sender.send(&channel, &notice(Stage::Begun)).await.unwrap();
    assert_eq!(heard.bodies.lock().unwrap().len(), 3);

    let (url, heard) = listener(&[403]).await;
    let channel = Channel::Slack { url: url.into() };
    let error = sender
        .send(&channel, &notice(Stage::Begun))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "Slack answered 403: no such token");
    assert_eq!(heard.bodies.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_nobody_is_told() {
    let (url, heard) = listener(&[307]).await;
    let channel = Channel::Webhook { url: url.into() };
    let sender = Sender::new().unwrap();
    let error = sender
        .send(&channel, &notice(Stage::Begun))
        .await
        .unwrap_err();
    assert!(error.to_string().starts_with("webhook answered 307"));
    assert_eq!(heard.bodies.lock().unwrap().len(), 1);

    let gone = Channel::Webhook {
        url: "http://127.0.0.1:9/very-secret-token".to_owned().into(),
    };
    let error = sender.send(&gone, &notice(Stage::Begun)).await.unwrap_err();
    assert!(!error.to_string().contains("very-secret-token"), "{error}");
}
