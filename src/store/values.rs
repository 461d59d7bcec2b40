//! Every text and blob of every table: what is kept, for whoever looks for what must not be.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// Hands each value over with the names of its table and column.
pub(super) fn each(
    connection: &Connection,
    mut value: impl FnMut(&str, &str, &[u8]),
) -> rusqlite::Result<()> {
    let tables: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for table in tables {
        // The name is the schema's own word, quoted all the same.
        let mut statement =
            connection.prepare(&format!("SELECT * FROM \"{}\"", table.replace('"', "\"\"")))?;
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for (at, column) in columns.iter().enumerate() {
                if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = row.get_ref(at)? {
                    value(&table, column, bytes);
                }
            }
        }
    }
    Ok(())
}
