/** In the tenant's home: files of recipients. No route takes them; campaigns name them. */
export const RECIPIENTS_PREFIX = 'campaign-recipients/';
