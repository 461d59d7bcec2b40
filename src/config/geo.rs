//! `[geo]`: databases that say in which country and in whose network an address is.

use crate::base::document::Table;

use super::context::Context;
use super::named_file::NamedFile;

/// One database, and where the configuration names it.
pub type GeoFile = NamedFile;

/// The databases.
#[derive(Clone, Debug, Default)]
pub struct Geo {
    /// Countries, and regions and cities where it has them.
    pub country: Option<GeoFile>,
    /// Autonomous systems.
    pub asn: Option<GeoFile>,
}

impl Geo {
    /// Reads the table. Whether the files are databases is seen where they are opened.
    pub(super) fn read(mut table: Table<'_>, context: &mut Context) -> Self {
        let country = GeoFile::read(
            &mut table,
            "country",
            "A database in MaxMind's format that knows countries, or cities: what rules read as `req.geo.country`.",
            context,
        );
        let asn = GeoFile::read(
            &mut table,
            "asn",
            "A database in MaxMind's format that knows autonomous systems: `req.geo.asn` and `req.geo.org`.",
            context,
        );
        table.finish();
        Self { country, asn }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::check::{config, dev, finds};

    #[test]
    fn databases_are_relative_to_the_files_folder_and_absent_by_default() {
        let geo = config("[geo]\ncountry = \"geo/country.mmdb\"\nasn = \"/var/asn.mmdb\"\n").geo;
        assert_eq!(geo.country.unwrap().path, Path::new("/nonexistent/geo/country.mmdb"));
        assert_eq!(geo.asn.unwrap().path, Path::new("/var/asn.mmdb"));
        let none = config("[geo]\ncountry = \"\"\n").geo;
        assert!(none.country.is_none() && none.asn.is_none());
    }

    #[test]
    fn a_problem_points_at_the_line_that_names_the_file() {
        let geo = config("[geo]\nasn = \"asn.mmdb\"\n").geo;
        let problem = geo.asn.unwrap().problem("is a folder");
        assert_eq!(problem.short(), "config.toml:2:7: `geo.asn`: asn.mmdb is a folder");
    }

    #[test]
    fn an_unknown_key_is_an_error_with_the_nearest_known_one() {
        finds(&dev("[geo]\ncontry = \"x\"\n"), "unknown key `contry` in `[geo]` [did you mean `country`?]");
    }
}
