/** The object metadata that names the row of `uploads`: the API signs it into every upload that it allows. */
export const UPLOAD_METADATA = 'longshore-upload';
