//! `server schema`: the SDL, as `schema.graphql` keeps it.

use super::CommandError;
use crate::graphql;

pub(super) fn run() -> Result<(), CommandError> {
    print!("{}", graphql::sdl());
    Ok(())
}
