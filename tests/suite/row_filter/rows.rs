//! What platforms and sending leave behind for each lead, written as rows: no field of `Mutation` makes it.

use sea_orm::{EntityTrait as _, IntoActiveModel as _, PaginatorTrait as _};

use super::Scene;
use crate::support::Server;

/// A message to each lead and one to somebody else, once; the first answers that to the third lead.
pub async fn write(server: &Server, scene: &Scene) {
    use entity::id::{ConnectionId, LeadId, MessageId};
    use entity::{MessageChannel, MessageDirection, MessagePurpose, MessageState, Timestamp, message};
    let db = server.app().db();
    if message::Entity::find().count(db.read()).await.expect("counted") > 0 {
        return;
    }
    let leads = scene.inside.iter().chain(&scene.outside);
    let leads = leads.map(|family| Some(family.lead.parse::<LeadId>().expect("a lead's id")));
    let leads: Vec<Option<LeadId>> = leads.chain([None]).collect();
    let ids: Vec<MessageId> = (1..=5).map(|n| MessageId::at(Timestamp(n))).collect();
    for (n, lead_id) in leads.into_iter().enumerate() {
        let at = Timestamp(i64::try_from(n).expect("a few") + 1);
        let row = message::Model {
            id: ids[n],
            connection_id: ConnectionId::at(Timestamp(1)),
            lead_id,
            direction: if n < 4 {
                MessageDirection::Outbound
            } else {
                MessageDirection::Inbound
            },
            channel: MessageChannel::Email,
            purpose: Some(MessagePurpose::Transactional),
            state: MessageState::Delivered,
            address: Some(format!("{n}@example.com")),
            own_address: Some("sam@example.org".to_owned()),
            subject: Some(n.to_string()),
            body: Some("hello".to_owned()),
            html: None,
            details: "{}".to_owned(),
            internet_id: None,
            platform_id: None,
            refs: "[]".to_owned(),
            answers_id: (n == 0).then_some(ids[2]),
            resend_of: None,
            segments: None,
            link_count: 0,
            steps: 0,
            opens: 0,
            clicks: 0,
            attempts: 1,
            asked: 0,
            due_at: None,
            claim: None,
            sent_at: Some(at),
            problem_kind: None,
            problem: None,
            problem_code: None,
            callback: None,
            created_by: "operator".to_owned(),
            created_at: at,
            updated_at: at,
            blanked_at: None,
        };
        let put = message::Entity::insert(row.into_active_model());
        put.exec_without_returning(db.write()).await.expect("a message");
    }
}

/// An order and an abandoned checkout of each lead, once.
pub async fn sell(server: &Server, scene: &Scene) {
    use entity::id::{CheckoutId, ConnectionId, LeadId, OrderId};
    use entity::{PaymentState, Timestamp, shop_checkout, shop_order};
    let db = server.app().db();
    if shop_order::Entity::find()
        .count(db.read())
        .await
        .expect("counted")
        > 0
    {
        return;
    }
    let connection_id = ConnectionId::at(Timestamp(1));
    for (n, family) in (1..).zip(scene.inside.iter().chain(&scene.outside)) {
        let at = Timestamp(n);
        let lead_id = Some(family.lead.parse::<LeadId>().expect("a lead's id"));
        let order = shop_order::Model {
            id: OrderId::at(at),
            connection_id,
            external_id: n.to_string(),
            name: format!("#{n}"),
            customer_id: None,
            lead_id,
            email: None,
            phone: None,
            placed_at: at,
            changed_at: at,
            cancelled_at: None,
            is_test: false,
            payment: PaymentState::Paid,
            currency: "EUR".into(),
            total_minor: 100,
            current_minor: 100,
            lines: "[]".into(),
            tags: "[]".into(),
            discount_codes: "[]".into(),
            source: None,
            visits: "[]".into(),
            synced_at: at,
        };
        let put = shop_order::Entity::insert(order.into_active_model());
        put.exec_without_returning(db.write()).await.expect("an order");
        let checkout = shop_checkout::Model {
            id: CheckoutId::at(at),
            connection_id,
            external_id: n.to_string(),
            customer_id: None,
            lead_id,
            email: None,
            phone: None,
            url: None,
            begun_at: at,
            changed_at: at,
            recovered_at: None,
            total_minor: None,
            currency: None,
            lines: "[]".into(),
            synced_at: at,
        };
        let put = shop_checkout::Entity::insert(checkout.into_active_model());
        put.exec_without_returning(db.write()).await.expect("a checkout");
    }
}

/// A delivery of a conversion of each lead, once.
pub async fn tell(server: &Server, scene: &Scene) {
    use entity::id::{ConnectionId, ConversionDeliveryId};
    use entity::{ConversionDeliveryState, HappeningKind, SharedAs, Timestamp, conversion_delivery};
    let db = server.app().db();
    let told = conversion_delivery::Entity::find().count(db.read()).await;
    if told.expect("counted") > 0 {
        return;
    }
    for (n, family) in (1..).zip(scene.inside.iter().chain(&scene.outside)) {
        let at = Timestamp(n);
        let row = conversion_delivery::Model {
            id: ConversionDeliveryId::at(at),
            connection_id: ConnectionId::at(Timestamp(1)),
            event_id: family.conversion.clone(),
            happening: HappeningKind::Conversion,
            lead_id: family.lead.parse().expect("a lead's id"),
            conversion_id: Some(family.conversion.parse().expect("a conversion's id")),
            stage: None,
            shared_as: SharedAs::Lead,
            name: None,
            occurred_at: at,
            state: ConversionDeliveryState::Sent,
            attempts: 0,
            due_at: None,
            problem_kind: None,
            problem: None,
            sent_at: Some(at),
            reversed_at: None,
            created_at: at,
            updated_at: at,
        };
        let put = conversion_delivery::Entity::insert(row.into_active_model());
        put.exec_without_returning(db.write()).await.expect("a delivery");
    }
}

/// An audience with each lead in it, once.
pub async fn gather(server: &Server, scene: &Scene) {
    use entity::id::{AudienceId, ConnectionId, LeadId};
    use entity::{AudienceKind, AudienceMemberState, AudienceState, Timestamp, audience, audience_member};
    let db = server.app().db();
    if audience::Entity::find().count(db.read()).await.expect("counted") > 0 {
        return;
    }
    let at = Timestamp(1);
    let row = audience::Model {
        id: AudienceId::at(at),
        connection_id: ConnectionId::at(at),
        kind: AudienceKind::Custom,
        name: "Buyers".into(),
        description: String::new(),
        filter: r#"{"email":{"eq":"cyd@example.com"}}"#.into(),
        origin_id: None,
        country: None,
        percent: None,
        state: AudienceState::Ready,
        external_id: Some("1".into()),
        generation: 1,
        problem_kind: None,
        problem: None,
        failures: 0,
        every_seconds: None,
        next_sync_at: None,
        next_size_at: None,
        synced_at: None,
        size_at_least: None,
        size_at_most: None,
        readiness: None,
        size_detail: None,
        sized_at: None,
        size_failures: 0,
        size_problem_kind: None,
        size_problem: None,
        created_by: "system".into(),
        created_at: at,
        updated_at: at,
        deleted_at: None,
    };
    let id = row.id;
    let put = audience::Entity::insert(row.into_active_model());
    put.exec_without_returning(db.write()).await.expect("an audience");
    for (n, family) in (1..).zip(scene.inside.iter().chain(&scene.outside)) {
        let member = audience_member::Model {
            audience_id: id,
            lead_id: family.lead.parse::<LeadId>().expect("a lead's id"),
            state: AudienceMemberState::In,
            generation: 1,
            lead_version: 1,
            match_key: 1,
            joined_at: Timestamp(n),
            told_at: Some(at),
        };
        let put = audience_member::Entity::insert(member.into_active_model());
        put.exec_without_returning(db.write()).await.expect("a member");
    }
}
