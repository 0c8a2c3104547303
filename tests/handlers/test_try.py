from tests.handlers.conftest import House
from tests.terminals import Terminal
def test_x(house: House, tmp_path, request, gmail_server):
    house.connect()
    ids={s: house.deliver(s) for s in ("ann","cid","lea","nora","uwe")}
    ids["spam"]=house.deliver("ann",3,labels=["SPAM"])
    house.catch_up()
    ids["late"]=house.deliver("ann",4)
    from domain.events import MailboxChanged
    house.queue.emit(MailboxChanged(1)); house.run_next()
    t=Terminal(tmp_path, house.store.engine.url.render_as_string(hide_password=False), {"LODESTONE_GMAIL_ENDPOINT": gmail_server.url})
    for name,i in ids.items(): print("==", name); d=t.run("explain", i); print(d.out, d.err)
    house.gmail.delete("uwe@firm.example",[ids["nora"]])
    d=t.run("explain", ids["nora"], "--json"); print(d.out, d.err)
    d=t.run("explain", ids["ann"], "--json"); print(d.out, d.err)
    d=t.run("status"); print(d.out, d.err)
    d=t.run("notifications", "--user", "uwe"); print(d.out, d.err)
