-- `reviewapps` may do what the master user of an RDS server may do, and no more: it is no superuser.
CREATE ROLE reviewapps LOGIN CREATEDB CREATEROLE;

GRANT pg_monitor, pg_signal_backend TO reviewapps;

-- A SCRAM verifier does not contain the name, so both roles may share it; no password in SQL.
UPDATE pg_authid
SET rolpassword = (SELECT rolpassword FROM pg_authid WHERE rolname = current_user)
WHERE rolname = 'reviewapps';

-- Every role may connect to every database by default: here an app reaches only its own.
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;

GRANT CONNECT ON DATABASE postgres, template1 TO reviewapps;

