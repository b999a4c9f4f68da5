//! Searching clients by a part of their id.

use crate::protocol::client::Client;
use crate::store::clients::find::find_all;
use crate::store::database::Dialect;
use crate::store::row::values;
use crate::store::{Looked, Page, Result, Store};

/// It follows every id.
const AFTER_ALL: &str = "\u{10FFFF}";

macro_rules! ids_with {
    ($place:literal) => {
        concat!(
            "SELECT client_id FROM clients WHERE ",
            $place,
            "(lower(client_id), lower($1)) > 0 AND client_id > $2 AND client_id <= $3 ORDER BY client_id LIMIT $4"
        )
    };
}

impl Store {
    /// Clients whose id contains a text, whatever the case of its letters; by id, which is the key of a page. Those that this program
    /// cannot read are left out. At most `most` ids are looked at.
    pub async fn client_search(&self, text: &str, page: &Page, most: i64) -> Result<Looked<Client>> {
        let sql = match self.dialect() {
            Dialect::Postgres => ids_with!("strpos"),
            Dialect::Sqlite => ids_with!("instr"),
        };
        let (mut found, mut after) = (Vec::new(), page.after.clone().unwrap_or_default());
        let last = "SELECT client_id FROM clients WHERE client_id > $1 ORDER BY client_id LIMIT 1 OFFSET $2";
        let row = self.database.query_one(last, values![&after, most - 1]).await?;
        let looked_to: Option<String> = row.map(|row| row.get("client_id")).transpose()?;
        let end = looked_to.as_deref().unwrap_or(AFTER_ALL);
        let limit = usize::try_from(page.limit).unwrap_or(0);
        while found.len() < limit {
            let missing = page.limit - i64::try_from(found.len()).unwrap_or(0);
            let rows = self.database.query(sql, values![text, &after, end, missing]).await?;
            let ids = rows.iter().map(|row| row.get("client_id")).collect::<Result<Vec<String>>>()?;
            let Some(last) = ids.last() else { return Ok(Looked { found, looked_to }) };
            after.clone_from(last);
            let clients = find_all(&self.database, ids).await?;
            found.extend(clients.into_iter().filter_map(|client| client.ok().flatten()).map(|(client, _)| client));
        }
        Ok(Looked { found, looked_to: None })
    }
}
