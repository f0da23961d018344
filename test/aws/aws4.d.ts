/** The part of `aws4` that the tests use; it ships no types. */
declare module 'aws4' {
  interface Request {
    readonly service: string
    readonly region: string
    readonly method: string
    readonly path: string
    readonly host: string
    readonly headers: Readonly<Record<string, string>>
    readonly body: string
  }
  const aws4: {
    sign(
      request: Request,
      credentials: { readonly accessKeyId: string; readonly secretAccessKey: string },
    ): { readonly headers: Readonly<Record<string, string | number>> }
  }
  export default aws4
}
