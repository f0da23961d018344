import { type Problem, problemResponse } from './problem.ts'

/** A request that cannot be served, as the response that says so. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly response: Response

  constructor(problem: Problem) {
    super(problem.title)
    this.response = problemResponse(problem)
  }
}

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i

/** The body as JSON. Throws a `Refusal`: 415 for another content type, 413 over `bytesMax`, 400 for no JSON. */
export async function readJson(request: Request, bytesMax: number): Promise<unknown> {
  if (!JSON_TYPE.test(request.headers.get('content-type') ?? '')) {
    throw new Refusal({ status: 415, title: 'The body must be application/json.' })
  }
  const text = new TextDecoder().decode(await readBytes(request, bytesMax))
  try {
    return JSON.parse(text)
  } catch {
    throw new Refusal({ status: 400, title: 'The body is not JSON.' })
  }
}

async function readBytes(request: Request, bytesMax: number): Promise<Uint8Array> {
  const tooLarge = new Refusal({ status: 413, title: `The body is over ${bytesMax} bytes.` })
  if (Number(request.headers.get('content-length') ?? 0) > bytesMax) throw tooLarge
  const chunks: Uint8Array[] = []
  let bytes = 0
  // A length that was announced may be a lie; what is read is what counts.
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length
    if (bytes > bytesMax) throw tooLarge
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
