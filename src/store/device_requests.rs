//! Requests of devices (RFC 8628). They are few and end soon.

use uuid::Uuid;

use crate::protocol::device::{DeviceRequest, DeviceState, INTERVAL, UserCode};
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::store::changes::Logged;
use crate::store::row::{Row, to_json, unreadable, values};
use crate::store::{Audited, NewSession, Result, Store, StoreError};

/// The most requests of one network that wait for a person.
const MOST_OF_A_NETWORK: i64 = 100;
/// The most requests of one client that wait for a person.
const MOST_OF_A_CLIENT: i64 = 10_000;

fn request(row: &Row) -> Result<DeviceRequest> {
    let (user_code, scope, state): (String, String, String) =
        (row.get("user_code")?, row.get("scope")?, row.get("state")?);
    Ok(DeviceRequest {
        id: row.get("id")?,
        nonce_hash: row.hash("nonce_hash")?,
        user_code: user_code.parse::<UserCode>().map_err(|()| unreadable("user_code", &"not a user code"))?,
        client_id: row.get("client_id")?,
        scope: Scope::parse(&scope).map_err(|error| unreadable("scope", &error))?,
        audiences: row.json("audiences")?,
        network: row.get("network")?,
        state: state.parse::<DeviceState>().map_err(|()| unreadable("state", &"not a state"))?,
        wait: row.get("wait")?,
        created_at: row.moment("created_at")?,
        expires_at: row.moment("expires_at")?,
    })
}

/// Requests of devices.
macro_rules! requests {
    ($rest:literal) => {
        concat!(
            "SELECT id, nonce_hash, user_code, client_id, scope, audiences, network, state, wait, created_at, expires_at \
             FROM device_requests ",
            $rest
        )
    };
}

impl Store {
    /// Keeps the request of a device. Returns whether it was kept: not if too many of its network or its client wait already.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there is a request with this user code.
    pub async fn device_request_create(&self, new: &DeviceRequest) -> Result<bool> {
        // A device may ask at once for the first time.
        let sql = "INSERT INTO device_requests (id, nonce_hash, user_code, client_id, scope, audiences, network, state, wait, \
                   polled_at, created_at, expires_at) \
                   SELECT $1, $2, $3, $4, $5, $6, $7, 'pending', $8, $9, $10, $11 WHERE \
                   (SELECT count(*) FROM (SELECT 1 FROM device_requests WHERE network = $7 AND state = 'pending' \
                   AND expires_at > $10 LIMIT $12) AS of_network) < $12 AND \
                   (SELECT count(*) FROM (SELECT 1 FROM device_requests WHERE client_id = $4 AND state = 'pending' \
                   AND expires_at > $10 LIMIT $13) AS of_client) < $13 \
                   ON CONFLICT (user_code) DO NOTHING RETURNING id";
        let values = values![
            new.id,
            new.nonce_hash,
            new.user_code.letters(),
            &new.client_id,
            new.scope.to_string(),
            to_json(&new.audiences)?,
            &new.network,
            new.wait,
            Timestamp::from_millis(new.created_at.millis() - new.wait),
            new.created_at,
            new.expires_at,
            MOST_OF_A_NETWORK,
            MOST_OF_A_CLIENT
        ];
        if !self.database.write(sql, values).await?.is_empty() {
            return Ok(true);
        }
        let taken = "SELECT 1 AS one FROM device_requests WHERE user_code = $1";
        match self.database.query_one(taken, values![new.user_code.letters()]).await? {
            Some(_) => Err(StoreError::Exists),
            None => Ok(false),
        }
    }

    /// A request by its id.
    pub async fn device_request_find(&self, id: Uuid) -> Result<Option<DeviceRequest>> {
        let row = self.database.query_one(requests!("WHERE id = $1"), values![id]).await?;
        row.as_ref().map(request).transpose()
    }

    /// The request that waits for a person with this code.
    pub async fn device_request_waiting(&self, code: &UserCode, now: Timestamp) -> Result<Option<DeviceRequest>> {
        let sql = requests!("WHERE user_code = $1 AND state = 'pending' AND expires_at > $2");
        let row = self.database.query_one(sql, values![code.letters(), now]).await?;
        row.as_ref().map(request).transpose()
    }

    /// Records that a device asked. Returns the milliseconds that it has to wait from now on: more than before if it asked too early;
    /// `None` if a person has answered meanwhile.
    pub async fn device_request_poll(&self, id: Uuid, now: Timestamp) -> Result<Option<i64>> {
        let sql = "UPDATE device_requests SET polled_at = $1, \
                   wait = CASE WHEN polled_at + wait > $1 THEN wait + $2 ELSE wait END \
                   WHERE id = $3 AND state = 'pending' RETURNING wait";
        let rows = self.database.write(sql, values![now, INTERVAL * 1000, id]).await?;
        rows.first().map(|row| row.get("wait")).transpose()
    }

    /// Lets a device in: begins the session of its request, if the request still waits for a person. Returns the sequence number of
    /// the session; `None` if somebody answered before, or as [`Store::session_create`] does.
    pub async fn device_request_allow(
        &self,
        new: &NewSession,
        now: Timestamp,
        audited: &Audited,
    ) -> Result<Logged<Option<SequenceNumber>>> {
        let mut transaction = self.begin_logged().await?;
        let allow = "UPDATE device_requests SET state = 'allowed' WHERE id = $1 AND state = 'pending' AND expires_at > $2 \
                     RETURNING id";
        if transaction.query_one(allow, values![new.session.id, now]).await?.is_none() {
            return transaction.roll_back(None).await;
        }
        let Some(log) = transaction.begin_session(new, audited).await? else {
            return transaction.roll_back(None).await;
        };
        let (target, client) = (format!("user {}", new.session.user_id), new.session.client_id.clone());
        transaction.audit(audited, "device.allow", target, Some(client)).await?;
        transaction.commit(Some(log)).await
    }

    /// Refuses a device. Returns whether its request still waited for a person.
    pub async fn device_request_deny(&self, id: Uuid, user: Uuid, now: Timestamp, audited: &Audited) -> Result<bool> {
        let mut transaction = self.database.begin().await?;
        let sql = "UPDATE device_requests SET state = 'denied' WHERE id = $1 AND state = 'pending' AND expires_at > $2 \
                   RETURNING client_id";
        let Some(row) = transaction.query_one(sql, values![id, now]).await? else {
            transaction.roll_back().await?;
            return Ok(false);
        };
        transaction.audit(audited, "device.deny", format!("user {user}"), Some(row.get("client_id")?)).await?;
        transaction.commit().await?;
        Ok(true)
    }
}
