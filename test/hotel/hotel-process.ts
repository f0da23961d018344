/** The hotel as its users have it: `start.ts` in a process of its own, on a free port and a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Call } from '../../examples/hotel-booking/partners.ts'
import type { BookingView, StepView } from '../../examples/hotel-booking/tracker.ts'

export const START_LIMIT_MS = 90_000
const WAIT_LIMIT_MS = 30_000
const STEP_MS = 20

export interface HotelSettings {
  readonly folder?: string
  readonly port?: number
  readonly pace?: number
  readonly failureRate?: number
}

export interface MailView {
  readonly id: string
  readonly bookingId?: string
  readonly to: string
  readonly subject: string
  readonly attachments: readonly { readonly name: string; readonly href: string }[]
}

export interface Snapshot {
  readonly bookings: readonly BookingView[]
  readonly mails: readonly MailView[]
  readonly calls: readonly Call[]
  readonly processes: Readonly<Record<'worker' | 'promises', { readonly state: string; readonly pid?: number }>>
}

export type Answer = BookingView & { readonly links: Readonly<Record<'self' | 'events' | 'voucher', string>> }

export const makeFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'spindle-hotel-'))
export const removeFolder = (folder: string): Promise<void> =>
  rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })

/** Looks until it is so. Rejects after `limitMs`, saying what did not come about. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  limitMs = WAIT_LIMIT_MS,
): Promise<T> {
  const endMs = performance.now() + limitMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > endMs) throw new Error(`After ${limitMs} ms still not: ${what}`)
    await pause(STEP_MS)
  }
}

export const guest = {
  guest: 'Zoë Łukasiewicz',
  email: 'zoe@example.org',
  room: 'garden',
  arrival: '2027-03-01',
  departure: '2027-03-04',
}

export const stepOf = (view: BookingView, step: StepView['step']): StepView => {
  const found = view.tasks.find((task) => task.step === step)
  if (found === undefined) throw new Error(`The booking has no step ${step}.`)
  return found
}

/** A run of start.ts, also one that does not come up. */
export class StartRun {
  readonly process: ChildProcess
  readonly exited: Promise<number | string>
  output = ''

  constructor({ folder, port = 0, pace = 0.1, failureRate = 0 }: HotelSettings) {
    this.process = spawn(process.execPath, ['--import', 'tsx', 'examples/hotel-booking/start.ts'], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      env: {
        ...process.env,
        PORT: String(port),
        HOTEL_DATA: folder,
        HOTEL_PACE: String(pace),
        HOTEL_FAILURE_RATE: String(failureRate),
        HOTEL_SEED: '1',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
      })
    }
    this.exited = new Promise((resolve) => this.process.once('close', (code, signal) => resolve(code ?? signal ?? '')))
  }
}

export class HotelProcess {
  readonly url: string
  readonly run: StartRun

  private constructor(run: StartRun, url: string) {
    this.run = run
    this.url = url
  }

  /** Resolves once the page can be opened and both children are at work. */
  static async start(settings: HotelSettings & { readonly folder: string }): Promise<HotelProcess> {
    const run = new StartRun(settings)
    let ended: number | string | undefined
    void run.exited.then((code) => {
      ended = code
    })
    const url = await until(
      'the hotel is open',
      () => {
        if (ended !== undefined) throw new Error(`The hotel ended with ${ended}:\n${run.output}`)
        return /is open: (http:\S+)\//.exec(run.output)?.[1]
      },
      START_LIMIT_MS,
    )
    const hotel = new HotelProcess(run, url)
    await hotel.untilRunning('worker')
    await hotel.untilRunning('promises')
    return hotel
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.url + path, { headers })
  }

  post(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  }

  async book(changes: Record<string, unknown> = {}): Promise<{ response: Response; answer: Answer; tookMs: number }> {
    const startedMs = performance.now()
    const response = await this.post('/bookings', { ...guest, ...changes })
    const tookMs = performance.now() - startedMs
    return { response, answer: (await response.json()) as Answer, tookMs }
  }

  async view(id: string): Promise<Answer> {
    return (await (await this.get(`/bookings/${id}`)).json()) as Answer
  }

  /** Everything that the page shows when it opens: the first event of its stream. */
  async snapshot(): Promise<Snapshot> {
    for await (const { event, data } of this.events('/events')) {
      if (event === 'snapshot') return data as Snapshot
    }
    throw new Error('The stream ended without a snapshot.')
  }

  async *events(path: string): AsyncGenerator<{ readonly event: string; readonly data: unknown }> {
    const stop = new AbortController()
    const response = await fetch(this.url + path, { headers: { accept: 'text/event-stream' }, signal: stop.signal })
    try {
      let text = ''
      for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        text += chunk
        const blocks = text.split('\n\n')
        text = blocks.pop() ?? ''
        for (const block of blocks) {
          const event = /^event: (.*)$/m.exec(block)?.[1]
          const data = /^data: (.*)$/m.exec(block)?.[1]
          if (event !== undefined && data !== undefined) yield { event, data: JSON.parse(data) }
        }
      }
    } finally {
      stop.abort()
    }
  }

  untilView(what: string, id: string, test: (view: Answer) => boolean): Promise<Answer> {
    return until(what, async () => {
      const view = await this.view(id)
      return test(view) && view
    })
  }

  untilSucceeded(id: string): Promise<Answer> {
    return this.untilView('the booking has succeeded', id, (view) => view.state === 'succeeded')
  }

  untilRunning(name: 'worker' | 'promises', notPid?: number): Promise<number> {
    return until(
      `${name} is running`,
      async () => {
        const { state, pid } = (await this.snapshot()).processes[name]
        return state === 'running' && pid !== notPid && pid
      },
      START_LIMIT_MS,
    )
  }

  async mailsOf(bookingId: string): Promise<readonly MailView[]> {
    return (await this.snapshot()).mails.filter((mail) => mail.bookingId === bookingId)
  }

  async callsFor(bookingId: string): Promise<readonly Call[]> {
    return (await this.snapshot()).calls.filter((call) => call.bookingId === bookingId)
  }

  async stop(signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL' = 'SIGTERM'): Promise<number | string> {
    this.run.process.kill(signal)
    return this.run.exited
  }
}
