declare module 'virtual:error-codes' {
  const codes: Readonly<Record<string, { readonly meaning: string; readonly remedy: string } | undefined>>;
  export default codes;
}
