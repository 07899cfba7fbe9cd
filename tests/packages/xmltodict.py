# /// script
# dependencies = [
#     "xmltodict==1.0.2",
#     "defusedxml==0.7.1",
# ]
# ///
import defusedxml.ElementTree
import xmltodict

assert xmltodict.parse("<a><b x='1'>t</b><b/></a>")["a"]["b"][0]["#text"] == "t"
try:
    defusedxml.ElementTree.fromstring("<!DOCTYPE d [<!ENTITY e 'x'>]><d>&e;</d>")
except defusedxml.EntitiesForbidden as error:
    print(type(error).__name__)
