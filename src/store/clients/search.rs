//! Searching clients by a part of their id.

use crate::protocol::client::Client;
use crate::store::clients::find::find_all;
use crate::store::database::Dialect;
use crate::store::row::values;
use crate::store::{Page, Result, Store};

macro_rules! ids_with {
    ($place:literal) => {
        concat!(
            "SELECT client_id FROM clients WHERE ",
            $place,
            "(lower(client_id), lower($1)) > 0 AND ($2 IS NULL OR client_id > $2) ORDER BY client_id LIMIT $3"
        )
    };
}

impl Store {
    /// Clients whose id contains a text, whatever the case of its letters; by id, which is the key of a page. Those that this program
    /// cannot read are left out.
    pub async fn client_search(&self, text: &str, page: &Page) -> Result<Vec<Client>> {
        let sql = match self.dialect() {
            Dialect::Postgres => ids_with!("strpos"),
            Dialect::Sqlite => ids_with!("instr"),
        };
        let (mut clients, mut after) = (Vec::new(), page.after.clone());
        let limit = usize::try_from(page.limit).unwrap_or(0);
        while clients.len() < limit {
            let missing = page.limit - i64::try_from(clients.len()).unwrap_or(0);
            let rows = self.database.query(sql, values![text, after, missing]).await?;
            let ids = rows.iter().map(|row| row.get("client_id")).collect::<Result<Vec<String>>>()?;
            let Some(last) = ids.last() else { break };
            after = Some(last.clone());
            let found = find_all(&self.database, ids).await?;
            clients.extend(found.into_iter().filter_map(|client| client.ok().flatten()).map(|(client, _)| client));
        }
        Ok(clients)
    }
}
