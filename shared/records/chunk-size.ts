/** Records that one wake-up carries: few enough to be done soon, many enough that messages cost nothing beside calls. */
export const CHUNK_RECORDS = 100;
