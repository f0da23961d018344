/** Where we are, in the part of the address behind `#`: it can be shared, and needs nothing of the server. */
import { useEffect, useState } from 'preact/hooks'

export interface Place {
  readonly parts: readonly string[]
  readonly query: URLSearchParams
}

export function here(): Place {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?', 2)
  const parts = path.split('/').filter((part) => part !== '')
  return { parts: parts.map(decoded), query: new URLSearchParams(query) }
}

export function useRoute(): Place {
  const [place, setPlace] = useState(here)
  useEffect(() => {
    const moved = (): void => setPlace(here())
    addEventListener('hashchange', moved)
    return () => removeEventListener('hashchange', moved)
  }, [])
  return place
}

type Query = Readonly<Record<string, string | number | null | undefined>>

export function link(parts: readonly string[], query: Query = {}): string {
  const asked = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') asked.set(name, String(value))
  }
  const text = asked.toString()
  return `#/${parts.map(encodeURIComponent).join('/')}${text === '' ? '' : `?${text}`}`
}

export function go(href: string): void {
  location.hash = href
}

/** Changes the query without a step in the history of the browser. */
export function refine(parts: readonly string[], query: Query): void {
  history.replaceState(null, '', link(parts, query))
  dispatchEvent(new HashChangeEvent('hashchange'))
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
