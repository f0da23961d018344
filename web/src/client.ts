/** The admin API as this page calls it. Paths are relative to the page, wherever it is mounted. */
import type { Problem, SessionInfo } from '../../src/frontends/admin/api.ts'

const BASE = './api/v1'

export class ApiFault extends Error {
  readonly status: number
  readonly detail: string | undefined

  constructor({ title, status, detail }: Problem) {
    super(title)
    this.status = status
    this.detail = detail
  }
}

let writeToken: string | null = null

export function useToken(token: string | null): void {
  writeToken = token
}

type Query = Readonly<Record<string, string | number | undefined>>

export function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const asked = new URLSearchParams()
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== '') asked.set(name, String(value))
  const text = asked.toString()
  return call<T>('GET', text === '' ? path : `${path}?${text}`, undefined, signal)
}

export const post = <T>(path: string, body?: unknown): Promise<T> => call<T>('POST', path, body)
export const put = <T>(path: string, body?: unknown): Promise<T> => call<T>('PUT', path, body)
export const remove = <T>(path: string): Promise<T> => call<T>('DELETE', path)

export function readSession(): Promise<SessionInfo> {
  return get<SessionInfo>('/session')
}

/** A segment of a path. */
export const seg = encodeURIComponent

export const eventsUrl = `${BASE}/events`

async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await fetch(BASE + path, {
    method,
    credentials: 'same-origin',
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(method === 'GET' || writeToken === null ? {} : { 'x-spindle-token': writeToken }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  })
  const text = await response.text()
  if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as T // typed by the server
  throw new ApiFault(problemOf(text, response.status))
}

function problemOf(text: string, status: number): Problem {
  try {
    return JSON.parse(text) as Problem
  } catch {
    return { title: `The server answered ${status}.`, status }
  }
}
