import type { AuditInfo, Page } from '../../../src/frontends/admin/api.ts'
import { get } from '../client.ts'
import { useData } from '../data.ts'
import { Badge, Empty, Fault, Heading, Time } from '../parts/basics.tsx'
import { type Place, refine } from '../route.ts'

export function AuditPage({ place }: { readonly place: Place }) {
  const [text, after] = [place.query.get('text') ?? '', place.query.get('after') ?? '']
  const { data, fault } = useData(
    (signal) => get<Page<AuditInfo>>('/audit', { text, after }, signal),
    `${text}\n${after}`,
    1_500,
  )
  return (
    <>
      <Heading title="Audit log" sub="Who changed what, the latest first">
        <input
          type="search"
          aria-label="Search acts"
          placeholder="Search   /"
          value={text}
          onInput={(event) => refine(['audit'], { text: event.currentTarget.value })}
        />
      </Heading>
      <Fault fault={fault} />
      {data?.items.length === 0 && <Empty title={text === '' ? 'Nobody changed anything yet' : 'No act like that'} />}
      {data !== undefined && data.items.length > 0 && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">Who</th>
                <th scope="col">What</th>
                <th scope="col">Outcome</th>
                <th scope="col">By way of</th>
                <th scope="col">From</th>
              </tr>
            </thead>
            <tbody>
              {data.items.map(({ number, atMs, by, act, outcome, via, from }) => (
                <tr key={number}>
                  <td>
                    <Time at={atMs} />
                  </td>
                  <td>{by ?? <span class="faint">nobody known</span>}</td>
                  <td>
                    <code>{act}</code>
                  </td>
                  <td>
                    <Badge tone={outcome === 'done' ? 'done' : 'dead'}>{outcome}</Badge>
                  </td>
                  <td>{via}</td>
                  <td>{from ?? 'this machine'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {data?.next != null && (
        <div class="pager">
          <button type="button" onClick={() => refine(['audit'], { text, after: data.next })}>
            Older ›
          </button>
        </div>
      )}
    </>
  )
}
