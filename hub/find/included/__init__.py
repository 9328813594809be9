"""What goes along with the records that were found: includes, over references and canonicals; a document's records."""
