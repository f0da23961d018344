/**
 * A seeded mutator that learns from coverage: inputs that make code run which no input before them ran are kept and changed further. Coverage is
 * V8's own, read once a batch; only a batch that found something new is run again one by one, so most inputs cost no more than the parser.
 */
import { Session } from 'node:inspector'
import { type Random, seededRandom } from '../../src/runtime/random.ts'

export interface Target {
  readonly name: string
  readonly seeds: readonly Uint8Array[]
  /** Pieces worth putting in. */
  readonly words: readonly string[]
  /** Throws what a finding is; refusals of the parser's own kind are none. */
  parse(input: Buffer): void | Promise<void>
}

export interface Finding {
  readonly input: Buffer
  readonly message: string
}

export interface FuzzOutcome {
  readonly inputs: number
  readonly corpus: number
  readonly findings: readonly Finding[]
}

const BATCH = 200
const INPUT_BYTES_MAX = 4_096
/** A parser that takes longer over a small input can be used to hold up others, ms. */
const SLOW_MS = 1_000
const FINDINGS_MAX = 5

export async function fuzz(
  target: Target,
  options: { readonly inputs: number; readonly seed: number; readonly guided: boolean },
): Promise<FuzzOutcome> {
  const random = seededRandom(options.seed)
  const coverage = options.guided ? new Coverage() : undefined
  const corpus: Buffer[] = target.seeds.map((seed) => Buffer.from(seed))
  const findings: Finding[] = []
  const known = new Set<string>()
  const attempt = async (input: Buffer): Promise<void> => {
    const message = await failure(target, input)
    if (message === undefined || known.has(kindOf(message))) return
    known.add(kindOf(message))
    findings.push({ input: await minimised(target, input, kindOf(message)), message })
  }
  let inputs = 0
  for (const seed of corpus) await attempt(seed)
  coverage?.anythingNew()
  while (inputs < options.inputs && findings.length < FINDINGS_MAX) {
    const batch = Array.from({ length: Math.min(BATCH, options.inputs - inputs) }, () =>
      mutated(random, corpus, target.words),
    )
    inputs += batch.length
    for (const input of batch) await attempt(input)
    if (coverage?.anythingNew({ peek: true }) !== true) continue
    corpus.push(...(await thoseWithNew(target, coverage, batch)))
  }
  coverage?.close()
  return { inputs, corpus: corpus.length, findings }
}

/** The inputs that ran something new, by halves: most of a batch did not, and reading the coverage costs milliseconds. */
async function thoseWithNew(target: Target, coverage: Coverage, inputs: readonly Buffer[]): Promise<Buffer[]> {
  for (const input of inputs) await failure(target, input)
  const only = inputs.length === 1
  if (!coverage.anythingNew({ peek: !only })) return []
  if (only) return [...inputs]
  const middle = inputs.length >> 1
  const first = await thoseWithNew(target, coverage, inputs.slice(0, middle))
  return [...first, ...(await thoseWithNew(target, coverage, inputs.slice(middle)))]
}

async function failure(target: Target, input: Buffer): Promise<string | undefined> {
  const startedMs = performance.now()
  try {
    await target.parse(Buffer.from(input))
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  }
  const tookMs = performance.now() - startedMs
  return tookMs > SLOW_MS ? `slow: ${Math.round(tookMs)} ms` : undefined
}

/** Findings of one kind differ in numbers and quoted text. */
function kindOf(message: string): string {
  return message
    .replace(/\d+/g, 'N')
    .replace(/'[^']*'/g, 'X')
    .slice(0, 80)
}

/** Leaves out pieces, larger ones first, as long as it stays the same finding. */
async function minimised(target: Target, input: Buffer, kind: string): Promise<Buffer> {
  let smallest: Buffer = input
  for (let size = smallest.length >> 1; size >= 1; size >>= 1)
    for (let at = 0; at + size <= smallest.length; ) {
      const without = Buffer.concat([smallest.subarray(0, at), smallest.subarray(at + size)])
      const message = await failure(target, without)
      if (message !== undefined && kindOf(message) === kind) smallest = without
      else at += size
    }
  return smallest
}

function mutated(random: Random, corpus: readonly Buffer[], words: readonly string[]): Buffer {
  const below = (limit: number): number => Math.floor(random.float() * limit)
  let bytes: Buffer = Buffer.from(corpus[below(corpus.length)] ?? Buffer.alloc(0))
  for (let left = 1 + below(5); left > 0; left--) {
    const at = below(bytes.length + 1)
    switch (below(9)) {
      case 0:
        if (at < bytes.length) bytes[at] = below(256)
        break
      case 1:
        if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << below(8))
        break
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), random.bytes(1 + below(8)), bytes.subarray(at)])
        break
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(16))])
        break
      case 4:
        bytes = bytes.subarray(0, at)
        break
      case 5: {
        const word = Buffer.from(words[below(words.length)] ?? '', 'latin1')
        bytes = Buffer.concat([bytes.subarray(0, at), word, bytes.subarray(at)])
        break
      }
      case 6: {
        const other = corpus[below(corpus.length)] ?? bytes
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(below(other.length + 1))])
        break
      }
      case 7: {
        const piece = bytes.subarray(at, at + 1 + below(64))
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          ...Array.from({ length: 1 + below(8) }, () => piece),
          bytes.subarray(at),
        ])
        break
      }
      default:
        if (at + 4 <= bytes.length) bytes.writeUInt32BE([0, 1, 0xffffffff, 0x7fffffff, 0x80000000][below(5)] ?? 0, at)
    }
  }
  return Buffer.from(bytes.subarray(0, INPUT_BYTES_MAX))
}

interface FunctionCoverage {
  readonly ranges: readonly { readonly startOffset: number; readonly endOffset: number; readonly count: number }[]
}

/** Which blocks of src/ have run so far in this process. */
class Coverage {
  readonly #session = new Session()
  readonly #seen = new Set<string>()

  constructor() {
    this.#session.connect()
    this.#post('Profiler.enable')
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Did blocks run since the last look that had not before? `peek`: they stay new. */
  anythingNew({ peek = false }: { readonly peek?: boolean } = {}): boolean {
    const { result } = this.#post('Profiler.takePreciseCoverage') as {
      result: readonly { url: string; functions: readonly FunctionCoverage[] }[]
    }
    let isNew = false
    for (const { url, functions } of result) {
      if (!url.includes('/src/') || url.includes('node_modules')) continue
      for (const { ranges } of functions)
        for (const { startOffset, endOffset, count } of ranges) {
          const block = `${url} ${startOffset} ${endOffset}`
          if (count === 0 || this.#seen.has(block)) continue
          isNew = true
          if (!peek) this.#seen.add(block)
        }
    }
    return isNew
  }

  close(): void {
    this.#post('Profiler.stopPreciseCoverage')
    this.#session.disconnect()
  }

  /** Answers in the same turn: the inspector of one's own process does. */
  #post(method: string, params: object = {}): unknown {
    let answer: unknown
    this.#session.post(method, params, (error, result) => {
      if (error !== null) throw error
      answer = result
    })
    return answer
  }
}
