-- claim --
-- One writer a message: none while another one's time is not over.
insert into {schema}.vault_objects (object, message, subject, month, state, until)
values ($1, $2, $3, $4, 'writing', $5)
on conflict (message) where state = 'writing' do nothing
returning object

-- renew --
update {schema}.vault_objects set until = $2
where object = any ($1::uuid[]) and state = 'writing'
returning object

-- keep --
update {schema}.vault_objects set state = 'kept', until = null where object = $1

-- drop --
delete from {schema}.vault_objects where object = $1

-- put off --
update {schema}.vault_objects set until = $2 where object = $1 and state = 'gone'

-- give up --
-- $1 now, $2 when they are removed: their writers may only be slow, and record them meanwhile.
update {schema}.vault_objects set state = 'gone', until = $2 where state = 'writing' and until < $1

-- forget --
update {schema}.vault_objects v set state = 'gone', until = $1
where v.state = 'kept' and not exists (
  select from {schema}.person_keys k where k.person_id = v.subject and k.month = v.month
)

-- gone --
select v.object, v.message, exists (
  select from {schema}.person_keys k where k.person_id = v.subject and k.month = v.month
) as readable
from {schema}.vault_objects v
where v.state = 'gone' and v.until <= $1
order by v.until
limit $2
