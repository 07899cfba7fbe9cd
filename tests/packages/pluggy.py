# /// script
# dependencies = [
#     "pluggy==1.6.0",
# ]
# ///
import pluggy

specification, implementation = pluggy.HookspecMarker("x"), pluggy.HookimplMarker("x")

class Hooks:
    @specification
    def price(self, net):
        """Prices of all plug-ins."""

class Tax:
    @implementation
    def price(self, net):
        return net * 2

manager = pluggy.PluginManager("x")
manager.add_hookspecs(Hooks)
manager.register(Tax())
print(manager.hook.price(net=21))
