/** What names of secrets say of whose they are: one table for the code that reads them and the policies that allow it. */

/** Folders of the fleet's own secrets. No tenant is called so: those of a tenant are in the folder of its name. */
export const OWN_SECRET_FOLDERS: readonly string[] = ['chat', 'links', 'mail', 'oidc', 'receipts', 'sftp'];

/** Of a session in AWS that reads the secrets of one tenant. */
export const TENANT_TAG = 'longshore-tenant';
